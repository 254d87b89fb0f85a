# shellcheck shell=bash disable=SC2153
# The switch: the network between the hosts, and the machine's cable to it. Each
# host has one port there, p-hN. Cuts are nft rules that drop what passes a port.

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
    # In its cgroup from the first moment, so that `down` finds it even if we are killed now.
    (
        cgroup_join switch
        exec setsid -f unshare --fork --pid --net --kill-child "$SELF" __switch
    ) </dev/null >"$DIR/logs/switch.log" 2>&1 8</proc/self/ns/net 7>&- 9>&-
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
    echo "$pid $(start_time "$pid")" >"$DIR/switch.pid"
    ip link set lo up
    # With an address of its own: else it takes that of a port, and ports come and go.
    ip link add br0 address 02:89:00:00:00:fe type bridge forward_delay 0
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
    set mute { type ifname; }
    set deaf { type ifname; }
    set pairs { type ifname . ifname; }
    chain incoming { type filter hook prerouting priority -300; iifname @mute drop; }
    chain outgoing { type filter hook postrouting priority 300; oifname @deaf drop; }
    chain between { type filter hook forward priority 0; iifname . oifname @pairs drop; }
}
END
    : >"$DIR/switch.ready"
    trap 'exit 0' TERM
    while :; do sleep infinity & wait $! || true; done
}

has_port() { sw ip link show "p-$1" >/dev/null 2>&1; } # HOST

# ------------------------------------------------------------------------ cuts
# What a mute host sends is dropped, and what is sent to a deaf one.

is_mute() { sw nft get element bridge cuts mute "{ \"p-$1\" }" >/dev/null 2>&1; }
is_deaf() { sw nft get element bridge cuts deaf "{ \"p-$1\" }" >/dev/null 2>&1; }
is_cut() { is_mute "$1" || is_deaf "$1"; }

cut_pairs() { # one line, if there are cuts between two
    local pairs
    pairs=$(sw nft list set bridge cuts pairs | grep -o '"p-[^"]*" \. "p-[^"]*"' | tr -d '"' |
        sed 's/p-//g; s/ \. /->/' | xargs) || pairs=''
    if [[ -n $pairs ]]; then echo "cut: $pairs"; fi
}

cut_off() { # HOST in|out|both [PEER...]
    local h=$1 way=$2 peer
    shift 2
    if [[ $# -eq 0 && $way != in ]]; then sw nft add element bridge cuts mute "{ \"p-$h\" }"; fi
    if [[ $# -eq 0 && $way != out ]]; then sw nft add element bridge cuts deaf "{ \"p-$h\" }"; fi
    for peer; do
        if [[ $way != in ]]; then sw nft add element bridge cuts pairs "{ \"p-$h\" . \"p-$peer\" }"; fi
        if [[ $way != out ]]; then sw nft add element bridge cuts pairs "{ \"p-$peer\" . \"p-$h\" }"; fi
    done
}

mend_cuts() { # [HOST...]
    local h pair
    if [[ $# -eq 0 ]]; then
        printf 'flush set bridge cuts %s\n' mute deaf pairs | sw nft -f -
        return
    fi
    for h; do
        sw nft delete element bridge cuts mute "{ \"p-$h\" }" 2>/dev/null || true
        sw nft delete element bridge cuts deaf "{ \"p-$h\" }" 2>/dev/null || true
        sw nft list set bridge cuts pairs | grep -o '"[^"]*" \. "[^"]*"' | grep "\"p-$h\"" |
            while read -r pair; do sw nft delete element bridge cuts pairs "{ $pair }"; done || true
    done
}

cmd_cut() {
    need_some cut $#
    need_up
    local h=$1 way=both peer
    shift
    case ${1:-} in in | out) way=$1; shift ;; esac
    need_host "$h"
    for peer; do [[ $peer == machine ]] || need_host "$peer"; done
    lock
    cut_off "$h" "$way" "$@"
}
