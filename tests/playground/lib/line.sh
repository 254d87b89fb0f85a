# shellcheck shell=bash disable=SC2153
# A host's line to the switch: how long frames take on it, and how many are lost.
#
# Not every kernel has netem, so a relay (line.py) does it. While it works, the
# host's cable is called w-hN and ends at the relay, and the port p-hN at the
# switch is the relay's TAP device: rules that name the port hold as before.
# hosts/hN/line keeps the settings "DELAY JITTER LOSS_IN LOSS_OUT", in
# milliseconds and per cent; a host that boots again has its line as it was.

line_pid() { live_pid "$DIR/hosts/$1/line.pid"; }
line_of() { cat "$DIR/hosts/$1/line" 2>/dev/null || echo 0 0 0 0; } # HOST: its settings

has_cable() { has_port "$1" || sw ip link show "w-$1" >/dev/null 2>&1; } # HOST

rename_cable() { # FROM TO: unplugged for a moment where the kernel (before 6.2) renames no interface that is up
    sw ip link set "$1" name "$2" 2>/dev/null || sw ip link set "$1" down name "$2"
}

line_set() { # HOST DELAY JITTER LOSS_IN LOSS_OUT
    local h=$1 pid
    shift
    if [[ $* == "0 0 0 0" ]]; then line_off "$h"; return; fi
    echo "$*" >"$DIR/hosts/$h/line"
    if pid=$(line_pid "$h"); then kill -HUP "$pid"; return; fi
    if host_pid "$h" >/dev/null; then line_on "$h"; fi
}

line_on() { # HOST: put the relay between its cable and the switch
    local h=$1 i
    rm -f "$DIR/hosts/$h/line.pid"
    if has_port "$h"; then
        sw ip link set "p-$h" nomaster
        rename_cable "p-$h" "w-$h"
    fi
    sw ip link set "w-$h" promisc on up
    # Segments that the host leaves for its network card to cut are cut by the host: one frame is one packet.
    in_host "$h" ip link set eth0 gso_max_segs 1
    (
        cgroup_join switch
        exec setsid -f nsenter -t "$(switch_pid)" --net --pid -- "$SELF" __line "$h"
    ) </dev/null >"$DIR/logs/$h-line.log" 2>&1 9>&-
    for ((i = 0; i < 250; i++)); do
        if line_pid "$h" >/dev/null && has_port "$h"; then break; fi
        sleep 0.02
    done
    ((i < 250)) || { cat "$DIR/logs/$h-line.log" >&2; die "$h: the relay of its line did not start"; }
    sw ip link set "p-$h" master br0 up
}

main_line() { # HOST: becomes the relay
    local pid rest
    read -r pid rest </proc/self/stat # /proc still shows the machine's pids
    : "$rest"
    echo "$pid $(start_time "$pid")" >"$DIR/hosts/$1/line.pid"
    exec /usr/bin/python3 "$HERE/lib/line.py" "w-$1" "p-$1" "$DIR/hosts/$1/line"
}

line_off() { # HOST: its cable ends at the switch again
    local h=$1 pid
    [[ -e $DIR/hosts/$h/line ]] || return 0
    if pid=$(line_pid "$h"); then end_pids "$pid"; fi
    rm -f "$DIR/hosts/$h/line.pid"
    if sw ip link show "w-$h" >/dev/null 2>&1; then
        sw ip link set "w-$h" promisc off
        rename_cable "w-$h" "p-$h"
        sw ip link set "p-$h" master br0 up
    fi
    if host_pid "$h" >/dev/null; then in_host "$h" ip link set eth0 gso_max_segs 65535; fi
    rm -f "$DIR/hosts/$h/line" # last: until then it says that there is something to undo
}

line_mend() { # HOST: as its settings say, whatever ended the relay
    if [[ -e $DIR/hosts/$1/line ]] && ! line_pid "$1" >/dev/null; then line_on "$1"; fi
}

line_cut() { # HOST: the end of its cable, with the host's power
    local h=$1 pid
    if pid=$(line_pid "$h"); then end_pids "$pid"; fi
    rm -f "$DIR/hosts/$h/line.pid"
    sw ip link del "w-$h" 2>/dev/null || true
    sw ip link del "p-$h" 2>/dev/null || true
}

cmd_delay() {
    local h=${1:-} ms=${2:-} jitter=${3:-0} old
    [[ $# -ge 2 && $# -le 3 && "$ms $jitter" =~ ^[0-9]{1,5}\ [0-9]{1,5}$ ]] || die "delay: HOST MS [JITTER]"
    need_up
    need_host "$h"
    lock
    read -ra old < <(line_of "$h")
    line_set "$h" "$ms" "$jitter" "${old[@]:2}"
}

cmd_loss() {
    local h=${1:-} percent=${2:-} way=${3:-both} old
    [[ $# -ge 2 && $percent =~ ^[0-9]{1,3}$ && $percent -le 100 && $way =~ ^(in|out|both)$ ]] ||
        die "loss: HOST PERCENT [in|out]"
    need_up
    need_host "$h"
    lock
    read -ra old < <(line_of "$h")
    if [[ $way != out ]]; then old[2]=$percent; fi
    if [[ $way != in ]]; then old[3]=$percent; fi
    line_set "$h" "${old[@]}"
}

cmd_heal() {
    need_up
    need_host "$@"
    lock
    heal "$@"
}
heal() { # [HOST...]: all that was done to the network
    local h
    mend_cuts "$@"
    # shellcheck disable=SC2046
    [[ $# -gt 0 ]] || set -- $(all_hosts)
    for h; do line_off "$h"; done
}
