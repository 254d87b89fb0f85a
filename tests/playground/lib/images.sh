# shellcheck shell=bash
# Images as `docker save` writes them, made without docker, without a registry
# and with fixed time stamps: every host gets the same image ids, in every run.

machine_architecture() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

layer() { # DIRECTORY FILE: its tar; prints the digest
    tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$2" .
    sha256sum "$2" | cut -d' ' -f1
}

json_strings() { # WORD...: "a","b"
    local out='' w
    for w; do out+="${out:+,}\"$w\""; done
    echo "$out"
}

# An archive is a directory in the making: layers, then images on them, then tar.

begin_archive() { # sets ARCHIVE
    ARCHIVE=$(mktemp -d "$DIR/image.XXXXXX")
    MANIFEST=''
}
add_layer() { # NAME: from the directory $ARCHIVE/NAME
    layer "$ARCHIVE/$1" "$ARCHIVE/$1.tar" >"$ARCHIVE/$1.digest"
    rm -rf "${ARCHIVE:?}/$1"
}
add_image() { # REFERENCE CONFIG-JSON LAYER...
    local ref=$1 config=$2 l tars=() digests=() json id
    for l in "${@:3}"; do
        tars+=("$l.tar")
        digests+=("sha256:$(cat "$ARCHIVE/$l.digest")")
    done
    json='{"architecture":"'$(machine_architecture)'","os":"linux","created":"1970-01-01T00:00:00Z","config":'$config
    json+=',"rootfs":{"type":"layers","diff_ids":['$(json_strings "${digests[@]}")']},"history":[]}'
    id=$(printf %s "$json" | sha256sum | cut -d' ' -f1)
    printf %s "$json" >"$ARCHIVE/$id.json"
    MANIFEST+="${MANIFEST:+,}"'{"Config":"'$id'.json","RepoTags":["'$ref'"],"Layers":['$(json_strings "${tars[@]}")']}'
}
end_archive() { # FILE
    printf '[%s]' "$MANIFEST" >"$ARCHIVE/manifest.json"
    tar -C "$ARCHIVE" --exclude='*.digest' --sort=name --mtime=@0 --owner=0 --group=0 -cf "$1" .
    rm -rf "$ARCHIVE"
}

add_busybox_layer() { # /bin/sh and friends
    local d=$ARCHIVE/busybox
    mkdir -p "$d"/{bin,etc,root,tmp,proc,sys,dev,run,usr/bin,var/run}
    chmod 1777 "$d/tmp"
    cp "$(command -v busybox)" "$d/bin/busybox"
    # Its links point to where it is in there; one process makes all of them.
    chroot "$d" /bin/busybox --install -s /bin
    ln -s /bin/env "$d/usr/bin/env"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$d/etc/passwd"
    echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$d/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$d/etc/group"
    add_layer busybox
}

# --------------------------------------------------------------------- samples

samples_archive() { # prints its path
    local file=$DIR/samples.tar ref env health
    if [[ -e $file ]]; then echo "$file"; return; fi
    begin_archive
    add_busybox_layer
    mkdir -p "$ARCHIVE/web/srv/cgi-bin"
    cat >"$ARCHIVE/web/srv/web" <<'END'
#!/bin/sh
# GET / answers "HOSTNAME VERSION NODE"; there are /version, /hostname, /health
# and /cgi-bin/env too. Runs on a read-only root, as /dev/shm never is.
# In the environment: WEB_PORT, WEB_START_DELAY, WEB_STOP_DELAY, NODE.
if [ "$WEB_VERSION" = bad ]; then
    echo "this version fails" >&2
    sleep "${WEB_FAIL_AFTER:-0}"
    exit 1
fi
echo "web $WEB_VERSION starts on $(hostname)"
sleep "${WEB_START_DELAY:-0}"
site=/dev/shm/site
mkdir -p $site
ln -sf /srv/cgi-bin $site/cgi-bin
echo "$(hostname) $WEB_VERSION ${NODE:-}" >$site/index.html
hostname >$site/hostname
echo "$WEB_VERSION" >$site/version
[ "$WEB_VERSION" = sick ] || echo ok >$site/health
httpd -f -p "${WEB_PORT:-80}" -h $site &
server=$!
trap 'echo "web $WEB_VERSION stops"; sleep "${WEB_STOP_DELAY:-0}"; kill $server; exit 0' TERM INT
wait $server
END
    cat >"$ARCHIVE/web/srv/cgi-bin/env" <<'END'
#!/bin/sh
printf 'Content-type: text/plain\r\n\r\n'
env | sort
for f in /run/secrets/*; do [ -f "$f" ] && echo "secret $f: $(cat "$f")"; done
exit 0
END
    chmod 755 "$ARCHIVE/web/srv/web" "$ARCHIVE/web/srv/cgi-bin/env"
    add_layer web
    add_image busybox:1 '{"Env":["PATH=/bin"],"Cmd":["sh"]}' busybox
    for ref in web:1 web:2 web:3 web:bad webhc:1 webhc:2 webhc:3 webhc:sick; do
        env='"PATH=/bin","WEB_VERSION='${ref#*:}'"' health=''
        if [[ $ref == webhc:* ]]; then
            # shellcheck disable=SC2016
            health=',"Healthcheck":{"Test":["CMD-SHELL","wget -q -O /dev/null http://127.0.0.1:${WEB_PORT:-80}/health"],"Interval":1000000000,"Timeout":2000000000,"Retries":3}'
        fi
        add_image "$ref" '{"Env":['"$env"'],"Cmd":["/srv/web"],"Labels":{"io.stackctl.playground":"'"$ref"'"}'"$health"'}' busybox web
    done
    end_archive "$file"
    echo "$file"
}

# ------------------------------------------------------------------- stand-ins
# What a stackfile may expect of a real image without using it in earnest: that
# it runs whatever its command, answers HTTP, passes health checks, and stops.

stand_in_archive() { # REFERENCE...: prints the path
    local file=$DIR/stand-ins.tar ref repo name tool user uid=700
    begin_archive
    add_busybox_layer
    local d=$ARCHIVE/stand-in
    mkdir -p "$d/etc" "$d/usr/local/bin" "$d/stand-in"
    cat >"$d/stand-in/run" <<'END'
#!/bin/sh
# Says what it was asked to do, does not do it, answers HTTP, and ends when told.
echo "stand-in for $STAND_IN_FOR on $(hostname); asked to run: $*"
for port in $STAND_IN_PORTS; do
    nc -ll -p "$port" -e /stand-in/answer &
done
trap 'echo "stand-in for $STAND_IN_FOR stops"; exit 0' TERM INT QUIT HUP
while :; do sleep 3600 & wait $!; done
END
    cat >"$d/stand-in/answer" <<'END'
#!/bin/sh
# One HTTP request, whatever its path, is answered with 200.
while read -r -t 10 line; do
    case $line in ?[!$(printf '\r')]*) asked=1 ;; *) break ;; esac
done
[ -n "$asked" ] || exit 0
body="stand-in for $STAND_IN_FOR on $(hostname)"
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n' $((${#body} + 1)) "$body"
END
    cat >"$d/stand-in/yes" <<'END'
#!/bin/sh
# The tools that health checks call: all is well.
case ${0##*/} in
redis-cli | valkey-cli) echo PONG ;;
*) echo "${0##*/}: ok (stand-in)" ;;
esac
END
    chmod 755 "$d"/stand-in/*
    for tool in curl redis-cli valkey-cli pg_isready psql rabbitmq-diagnostics rabbitmqctl rabbitmq-server mysqladmin \
        mysql mariadb mariadb-admin healthcheck.sh mongo mongosh nginx haproxy traefik caddy consul vault etcdctl \
        promtool kafka-topics.sh zkServer.sh cqlsh clickhouse-client influx node python python3 java; do
        ln -s /stand-in/yes "$d/usr/local/bin/$tool"
    done
    # Stackfiles name users; an unknown name keeps a container from starting.
    {
        echo 'root:x:0:0:root:/root:/bin/sh'
        for user in www-data nginx node elasticsearch kibana grafana fluent redis postgres mysql mongodb rabbitmq \
            haproxy prometheus app; do
            echo "$user:x:$((++uid)):$uid::/tmp:/bin/sh"
        done
        echo 'nobody:x:65534:65534:nobody:/:/bin/false'
    } >"$d/etc/passwd"
    awk -F: '{ print $1 ":x:" $4 ":" }' "$d/etc/passwd" >"$d/etc/group"
    add_layer stand-in
    for ref; do
        if [[ $ref == *@* ]]; then say "$ref: a digest cannot be stood in for; left out"; continue; fi
        # without a tag, latest
        [[ ${ref##*/} == *:* ]] || ref+=:latest
        repo=${ref%:*} name=${ref##*/}
        name=${name%:*}
        add_image "$ref" '{"Env":["PATH=/usr/local/bin:/usr/bin:/bin","STAND_IN_FOR='"$ref"'","STAND_IN_PORTS='"$(ports_of "$repo" "$name")"'"],"Entrypoint":["/stand-in/run"],"Labels":{"io.stackctl.playground":"stand-in"}}' busybox stand-in
    done
    end_archive "$file"
    echo "$file"
}

ports_of() { # REPOSITORY NAME: where such an image serves HTTP
    case $2 in
    *elasticsearch*) echo 9200 ;;
    *kibana*) echo 5601 ;;
    *grafana*) echo 3000 ;;
    *prometheus*) echo 9090 ;;
    *alertmanager*) echo 9093 ;;
    *node-exporter* | *node_exporter*) echo 9100 ;;
    *cadvisor* | *tomcat* | *jenkins*) echo 8080 ;;
    *rabbitmq*) echo 15672 ;;
    *haproxy*) echo 80 8404 15672 ;;
    *traefik*) echo 80 8080 ;;
    registry) echo 5000 ;;
    agent) echo 9001 ;;
    *portainer*) echo 9000 ;;
    *minio*) echo 9000 ;;
    *visualizer*) echo 8080 ;;
    # not HTTP: nobody should think that they speak it
    *redis* | *postgres* | *mysql* | *mariadb* | *mongo* | *memcached* | *fluentd* | *beat | *worker* | *perf-test*) ;;
    *) echo 80 ;;
    esac
}

images_named_in() { # STACKFILE...: every `image:` without variables, once
    local file
    for file; do [[ -r $file ]] || die "image: cannot read $file"; done
    awk '/^[ \t-]*["\x27]?image["\x27]?:[ \t]/ {
        sub(/^[^:]*:[ \t]+/, ""); sub(/[ \t]+#.*$/, ""); sub(/[ \t\r]+$/, ""); gsub(/["\x27]/, "")
        if ($0 ~ /\$/) print "playground: " FILENAME ": " $0 " has a variable; left out" > "/dev/stderr"
        else if ($0 != "" && !seen[$0]++) print
    }' "$@"
}

# --------------------------------------------------------------------- loading

load_archive() { # FILE HOST...
    local file=$1 h pids=() failed=''
    shift
    for h; do
        host_pid "$h" >/dev/null || die "$h is off; run: $SELF start $h"
        dk "$h" load -q -i "$file" >"$DIR/logs/$h-load.log" 2>&1 & pids+=("$h:$!")
    done
    for h in "${pids[@]}"; do
        wait "${h#*:}" || { failed=1; sed "s/^/${h%:*}: /" "$DIR/logs/${h%:*}-load.log" >&2; }
    done
    [[ -z $failed ]] || die "not every host took the images"
    say "$(sed -n 's/^Loaded image: //p' "$DIR/logs/$1-load.log" | xargs) on $*"
}

cmd_image() {
    need_up
    local what=() hosts=() kind='' archive
    while [[ $# -gt 0 ]]; do
        case $1 in
        --on) shift; hosts=("$@"); break ;;
        --samples | --stand-in | --stand-in-for) kind=$1 ;;
        --*) die "image: no option $1" ;;
        *) what+=("$1") ;;
        esac
        shift
    done
    need_host "${hosts[@]}"
    # shellcheck disable=SC2207
    [[ ${#hosts[@]} -gt 0 ]] || hosts=($(all_hosts))
    [[ $kind == --samples || ${#what[@]} -gt 0 ]] || die "image: of what? (see: playground --help)"
    lock
    case $kind in
    --samples) archive=$(samples_archive) ;;
    --stand-in) archive=$(stand_in_archive "${what[@]}") ;;
    --stand-in-for)
        # shellcheck disable=SC2207
        what=($(images_named_in "${what[@]}"))
        [[ ${#what[@]} -gt 0 ]] || die "image: no image is named there"
        archive=$(stand_in_archive "${what[@]}")
        ;;
    '')
        [[ ${#what[@]} -eq 1 ]] || die "image: one FILE at a time"
        archive=${what[0]}
        [[ -r $archive ]] || die "image: cannot read $archive"
        ;;
    esac
    load_archive "$archive" "${hosts[@]}"
}
