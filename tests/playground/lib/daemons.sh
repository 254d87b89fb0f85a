# shellcheck shell=bash disable=SC2153
# The two daemons of a host: dockerd and sshd.

dockerd_pid() { # HOST: the daemon's pid within the host
    # shellcheck disable=SC2016
    in_host "$1" bash -c 'p=$(cat /run/docker.pid) && [[ -d /proc/$p ]] && echo "$p"' 2>/dev/null
}
stop_dockerd() { # HOST SIGNAL
    local h=$1 pid i
    pid=$(dockerd_pid "$h") || return 0
    if [[ $2 == TERM ]] && in_host "$h" grep -q '^State:.T' "/proc/$pid/status"; then
        die "$h: dockerd is frozen and hears no signal; thaw it first, or kill it"
    fi
    in_host "$h" kill "-$2" "$pid"
    for ((i = 0; i < 300; i++)); do
        if ! in_host "$h" test -d "/proc/$pid"; then
            clock_end "$h"
            return
        fi
        sleep 0.1
    done
    die "$h: dockerd does not end; see $DIR/logs/$h-dockerd.log"
}
start_dockerd() { # HOST
    # One that was killed leaves its socket, which looks as if it answered.
    if ! dockerd_pid "$1" >/dev/null; then
        clock_end "$1"
        in_host "$1" rm -f /run/docker.pid /run/docker.sock
        in_host "$1" setsid -f /etc/playground/dockerd 9>&-
    fi
    wait_docker "$1"
    clock_mend "$1"
}

daemon_json() { # HOST [MEMBERS]: what its dockerd is told
    printf '{"labels": ["host=%s", "zone=%s", "storage=%s"]%s}\n' \
        "$1" "$(zone_of "$1")" "$(storage_of "$1")" "${2:+, $2}"
}
set_daemon() { # HOST [MEMBERS]
    local file=$DIR/hosts/$1/disk/etc/docker/daemon.json
    if [[ $(<"$file") == "$(daemon_json "$@")" ]]; then return; fi
    daemon_json "$@" >"$file"
    stop_dockerd "$1" TERM
    start_dockerd "$1"
}

cmd_daemon() {
    [[ $# -ge 1 ]] || die "daemon: HOST ['{\"KEY\": VALUE}']"
    need_up
    need_host "$1"
    local members=${*:2}
    [[ -z $members || ($members == "{"*"}") ]] || die "daemon: an object as in '{\"debug\": true}', and not '$members'"
    lock
    members=${members#"{"}
    set_daemon "$1" "${members%"}"}"
}

# A kernel says what a program's personality says, and an engine says what its kernel says: images for that.
set_processor() { # HOST [i686]
    local file=$DIR/hosts/$1/disk/etc/playground/processor
    if [[ $(cat "$file" 2>/dev/null) == "${2:-}" ]]; then return; fi
    if [[ -n ${2:-} ]]; then echo "$2" >"$file"; else rm -f "$file"; fi
    stop_dockerd "$1" TERM
    start_dockerd "$1"
}

cmd_processor() {
    [[ $# -eq 2 && $2 =~ ^(i686|right)$ ]] || die "processor: HOST i686|right"
    need_up
    need_host "$1"
    lock
    set_processor "$1" "${2/right/}"
}

cmd_dockerd() {
    [[ $# -eq 2 && $2 =~ ^(stop|start|restart|kill)$ ]] || die "dockerd: HOST stop|start|restart|kill"
    need_up
    need_host "$1"
    lock
    case $2 in
    stop | restart) stop_dockerd "$1" TERM ;;
    kill) stop_dockerd "$1" KILL ;;
    esac
    case $2 in start | restart) start_dockerd "$1" ;; esac
}

set_forwarding() { # HOST yes|no
    sed -i "s/^AllowStreamLocalForwarding .*/AllowStreamLocalForwarding $2/" "$DIR/hosts/$1/disk/etc/ssh/sshd_config"
}
restore_forwarding() { # HOST
    if grep -q '^AllowStreamLocalForwarding no' "$DIR/hosts/$1/disk/etc/ssh/sshd_config"; then
        set_forwarding "$1" yes
        reload_sshd "$1"
    fi
}
new_host_key() { # HOST
    rm -f "$DIR/hosts/$1/disk/etc/ssh"/ssh_host_ed25519_key*
    ssh-keygen -q -t ed25519 -N '' -C "root@$1" -f "$DIR/hosts/$1/disk/etc/ssh/ssh_host_ed25519_key"
}
reload_sshd() { # HOST: for new connections; those there are keep what they have
    local h=$1
    if ! host_pid "$h" >/dev/null; then return 0; fi # it will read its files at boot
    # shellcheck disable=SC2016
    in_host "$h" bash -c 'kill -HUP "$(cat /run/sshd.pid)"'
    sleep 0.3 # it closes its port, and opens it again
    wait_ssh "$h"
}

cmd_sshd() {
    need_up
    local h=${1:-}
    need_host "$h"
    lock
    case ${*:2} in
    "forwarding on") set_forwarding "$h" yes; reload_sshd "$h" ;;
    "forwarding off") set_forwarding "$h" no; reload_sshd "$h" ;;
    newkey) new_host_key "$h"; reload_sshd "$h" ;;
    *) die "sshd: HOST forwarding on|off, or HOST newkey" ;;
    esac
}
