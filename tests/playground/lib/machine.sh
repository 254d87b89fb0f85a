# shellcheck shell=bash disable=SC2153
# What the machine must have, processes and cgroups, and the switch.

# ------------------------------------------------------------------ processes

# A pid file holds "PID STARTTIME", so that a pid used again is never ours.
start_time() { # PID
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo "${20}"
}
live_pid() { # FILE: the pid in it, if that process still runs
    local pid when
    [[ -s $1 ]] && read -r pid when <"$1" || return 1
    [[ $(start_time "$pid") == "$when" ]] || return 1
    echo "$pid"
}
end_pids() { # PID...: SIGKILL, and wait until they are gone
    [[ $# -gt 0 ]] || return 0
    kill -KILL "$@" 2>/dev/null || true
    wait_gone "$@"
}
wait_gone() { # PID...
    local p i
    for p; do
        for ((i = 0; i < 500; i++)); do
            [[ -d /proc/$p ]] || break
            if grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null; then break; fi
            sleep 0.02
        done
    done
}

# --------------------------------------------------------------- installation

install_missing() {
    local want=() pair
    for pair in dockerd:docker.io docker:docker.io sshd:openssh-server ssh:openssh-client \
        iptables:iptables ip:iproute2 nft:nftables busybox:busybox-static unshare:util-linux \
        mkfs.ext4:e2fsprogs; do
        command -v "${pair%%:*}" >/dev/null || want+=("${pair#*:}")
    done
    [[ ${#want[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "missing here: ${want[*]}; install them and try again"
    # Where the docker client is a package of its own.
    if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then want+=(docker-cli); fi
    say "installing ${want[*]}"
    # No service of theirs may start on this machine meanwhile.
    local policy='' log=/tmp/stackctl-playground-apt.log rc=0
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    {
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends "${want[@]}" ||
            { apt-get update && apt-get install -y --no-install-recommends "${want[@]}"; }
    } </dev/null >"$log" 2>&1 || rc=$?
    if [[ -n $policy ]]; then rm -f "$policy"; fi
    if [[ $rc -ne 0 ]]; then
        tail -5 "$log" >&2
        die "apt-get install ${want[*]} failed; the whole log is $log"
    fi
}

# -------------------------------------------------------------------- cgroups
# A host's cgroup namespace is rooted at /$CGROUP/hN: dockerd's cgroups on
# different hosts do not meet, and `down` finds every process of ours.

cgroup_v2() { [[ $(stat -fc %T /sys/fs/cgroup 2>/dev/null) == cgroup2fs ]]; }

cgroup_v1_mounts() { # "CONTROLLERS MOUNTPOINT" of each v1 hierarchy that has any
    awk '$3 == "cgroup" && $4 !~ /name=/ {
        n = split($4, option, ","); names = ""
        for (i = 1; i <= n; i++)
            if (option[i] ~ /^(cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|hugetlb|perf_event|net_cls|net_prio)$/)
                names = names (names == "" ? "" : ",") option[i]
        if (names != "" && !seen[names]++) print names, $2
    }' /proc/mounts
}

ensure_cgroups() {
    if cgroup_v2 || [[ -n $(cgroup_v1_mounts) ]]; then return; fi
    local c mounted=''
    mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for c in cpuset cpu cpuacct blkio memory devices freezer pids hugetlb; do
        grep -q "^$c\>.*1$" /proc/cgroups || continue
        mkdir -p "/sys/fs/cgroup/$c"
        if mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c" 2>/dev/null; then
            mounted=1
        else
            rmdir "/sys/fs/cgroup/$c"
        fi
    done
    [[ -n $mounted ]] || die "no cgroup hierarchy can be mounted here; docker needs one"
}

cgroup_dirs() { # SUFFIX: every directory that stands for our cgroup
    local mp rest
    if cgroup_v2; then
        echo "/sys/fs/cgroup/$CGROUP$1"
    else
        while read -r rest mp; do echo "$mp/$CGROUP$1"; done < <(cgroup_v1_mounts)
        : "${rest:-}"
    fi
}

cgroup_join() { # NAME: this shell moves into /$CGROUP/NAME
    local d p f
    while read -r d; do
        mkdir -p "$d"
        if ! cgroup_v2 && [[ -e $d/cpuset.cpus ]]; then
            # v1: a cpuset without cpus or mems takes no process
            for p in "${d%/*}" "$d"; do
                for f in cpuset.cpus cpuset.mems; do
                    if [[ -z $(cat "$p/$f") ]]; then cat "${p%/*}/$f" >"$p/$f"; fi
                done
            done
        fi
        echo $$ >"$d/cgroup.procs"
    done < <(cgroup_dirs "/$1")
}

cgroup_pids() { # SUFFIX: every process in or below
    local d
    while read -r d; do
        if [[ -d $d ]]; then find "$d" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done < <(cgroup_dirs "$1") | sort -un
}

cgroup_remove() { # SUFFIX
    local d try
    while read -r d; do
        for try in {1..10}; do
            [[ -d $d ]] || break
            find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || true
            if [[ -d $d ]]; then sleep 0.05; fi
        done
        : "$try"
    done < <(cgroup_dirs "$1")
}

# ----------------------------------------------------------------- the switch

switch_pid() { live_pid "$DIR/switch.pid"; }

sw() { # CMD...: in the switch's network
    local pid
    pid=$(switch_pid) || die "the switch is off; run: $SELF up"
    nsenter -t "$pid" --net --pid -- "$@"
}

connect_machine() { # HOSTS: choose a network, start the switch, plug the machine in
    local i taken
    exec 7>/tmp/.stackctl-playground-net.lock # one playground at a time chooses
    flock -w 60 7 || die "another playground is choosing its network and does not end"
    if [[ -z $NET ]]; then
        NET=${PLAYGROUND_NET:-}
        taken=" $(ip -4 route show table all | tr '\n' ' ')"
        for ((i = 0; i < 250; i++)); do
            [[ -z $NET ]] || break
            if [[ $taken != *" 10.89.$i."* ]]; then NET=10.89.$i; fi
        done
        [[ -n $NET ]] || die "all of 10.89.0.0/16 is in use here; set PLAYGROUND_NET, as in 10.99.1"
    fi
    if (($1 > N)); then N=$1; fi
    save_state
    start_switch
    if [[ $(ip -4 addr show dev "$CABLE") != *" $NET.1/24 "* ]]; then
        ip addr add "$NET.1/24" dev "$CABLE"
        ip link set "$CABLE" up
    fi
    exec 7>&-
}

start_switch() {
    if switch_pid >/dev/null; then return; fi
    ip link del "$CABLE" 2>/dev/null || true
    rm -f "$DIR/switch.pid" "$DIR/switch.ready"
    # fd 8: the network that gets the other end of the machine's cable
    setsid -f unshare --fork --pid --net --kill-child "$SELF" __switch \
        </dev/null >"$DIR/logs/switch.log" 2>&1 8</proc/self/ns/net 7>&- 9>&-
    local i
    for ((i = 0; i < 250; i++)); do
        if [[ -e $DIR/switch.ready ]] && switch_pid >/dev/null; then return; fi
        sleep 0.02
    done
    cat "$DIR/logs/switch.log" >&2
    die "the switch did not start; does this machine allow network namespaces?"
}

main_switch() { # first process of the switch
    load_state
    local pid rest i
    read -r pid rest </proc/self/stat # /proc still shows the machine's pids
    : "$rest"
    cgroup_join switch
    echo "$pid $(start_time "$pid")" >"$DIR/switch.pid"
    ip link set lo up
    ip link add br0 type bridge forward_delay 0
    ip addr add "$NET.254/24" dev br0
    ip link set br0 up
    # What hosts say to one another must not pass through IP firewalls here.
    for i in iptables ip6tables arptables; do
        echo 0 >/proc/sys/net/bridge/bridge-nf-call-$i 2>/dev/null || true
    done
    # The hosts' way out ends here: at once "unreachable", no packet leaves.
    echo 1 >/proc/sys/net/ipv4/ip_forward
    ip route add unreachable default
    echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
    ip link add p-machine type veth peer name "$CABLE" netns /proc/self/fd/8
    exec 8<&-
    ip link set p-machine master br0 up
    nft -f - <<'END'
table bridge cuts {
    set ports { type ifname; }
    set pairs { type ifname . ifname; }
    chain incoming { type filter hook prerouting priority -300; iifname @ports drop; }
    chain outgoing { type filter hook postrouting priority 300; oifname @ports drop; }
    chain between { type filter hook forward priority 0; iifname . oifname @pairs drop; }
}
END
    : >"$DIR/switch.ready"
    trap 'exit 0' TERM
    while :; do sleep infinity & wait $! || true; done
}

is_cut() { sw nft get element bridge cuts ports "{ \"p-$1\" }" >/dev/null 2>&1; }

cut_pairs() { # one line, if there are cuts between two
    local pairs
    pairs=$(sw nft list set bridge cuts pairs | grep -o '"p-[^"]*" \. "p-[^"]*"' | tr -d '"' |
        sed 's/p-//g; s/ \. /->/' | xargs) || pairs=''
    if [[ -n $pairs ]]; then echo "cut: $pairs"; fi
}

cut_off() { # HOST [PEER...]
    local h=$1 peer
    shift
    if [[ $# -eq 0 ]]; then sw nft add element bridge cuts ports "{ \"p-$h\" }"; fi
    for peer; do
        sw nft add element bridge cuts pairs "{ \"p-$h\" . \"p-$peer\", \"p-$peer\" . \"p-$h\" }"
    done
}

heal() { # [HOST...]
    local h pair
    if [[ $# -eq 0 ]]; then
        sw nft flush set bridge cuts ports
        sw nft flush set bridge cuts pairs
        return
    fi
    for h; do
        sw nft delete element bridge cuts ports "{ \"p-$h\" }" 2>/dev/null || true
        sw nft list set bridge cuts pairs | grep -o '"[^"]*" \. "[^"]*"' | grep "\"p-$h\"" |
            while read -r pair; do sw nft delete element bridge cuts pairs "{ $pair }"; done || true
    done
}
