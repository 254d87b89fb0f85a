# shellcheck shell=bash disable=SC2153
# A host's packet filter: what its administrator may have chosen. What it was
# before is kept in hosts/hN/was.*, until it is undone or the host boots.

remember() { # HOST WHAT VALUE: unless an older one is remembered
    [[ -e $DIR/hosts/$1/was.$2 ]] || echo "$3" >"$DIR/hosts/$1/was.$2"
}
remembered() { # HOST WHAT: prints it once
    local value
    value=$(cat "$DIR/hosts/$1/was.$2" 2>/dev/null) || return 1
    rm -f "$DIR/hosts/$1/was.$2"
    echo "$value"
}

forward_policy() { # HOST
    in_host "$1" iptables -S FORWARD | awk '$1 == "-P" { print $3 }'
}
set_forward_policy() { # HOST DROP|ACCEPT
    remember "$1" forward "$(forward_policy "$1")"
    in_host "$1" iptables -P FORWARD "$2"
}

br_netfilter() { # HOST: 0 or 1
    in_host "$1" cat /proc/sys/net/bridge/bridge-nf-call-iptables
}
set_br_netfilter() { # HOST 0|1
    # shellcheck disable=SC2016
    in_host "$1" sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo "$1" >"$f"; done' sh "$2"
}

iptables_kind() { # HOST: legacy or nft
    local program
    program=$(readlink "$DIR/hosts/$1/disk/etc/alternatives/iptables") || program=''
    if [[ $program == *legacy ]]; then echo legacy; else echo nft; fi
}
set_iptables() { # HOST legacy|nft: dockerd starts again, on an empty filter
    local h=$1 name ran=''
    if [[ $(iptables_kind "$h") == "$2" ]]; then return; fi
    if dockerd_pid "$h" >/dev/null; then ran=1; fi
    stop_dockerd "$h" TERM
    in_host "$h" sh -c 'iptables-save && ip6tables-save' | grep '^\*' | sort -u | tr -d '*' | while read -r name; do
        # shellcheck disable=SC2016
        in_host "$h" sh -c 'for i in iptables ip6tables; do $i -t "$1" -F; $i -t "$1" -X; done' sh "$name" || true
    done
    in_host "$h" sh -c 'iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT'
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sfn "/usr/sbin/${name/tables/tables-$2}" "$DIR/hosts/$h/disk/etc/alternatives/$name"
    done
    if [[ -n $ran ]]; then start_dockerd "$h"; fi
}

restore_firewall() { # HOST
    local was
    set_iptables "$1" nft
    if was=$(remembered "$1" forward); then in_host "$1" iptables -P FORWARD "$was"; fi
    if was=$(remembered "$1" br-netfilter); then set_br_netfilter "$1" "$was"; fi
}

cmd_forward_drop() {
    [[ $# -eq 2 && $2 =~ ^(on|off)$ ]] || die "forward-drop: HOST on|off"
    need_up
    need_host "$1"
    lock
    if [[ $2 == on ]]; then set_forward_policy "$1" DROP; else set_forward_policy "$1" ACCEPT; fi
}

cmd_br_netfilter() {
    [[ $# -eq 2 && $2 =~ ^(on|off)$ ]] || die "br-netfilter: HOST on|off"
    need_up
    need_host "$1"
    lock
    in_host "$1" test -e /proc/sys/net/bridge/bridge-nf-call-iptables ||
        die "br-netfilter: this machine's kernel does not have it, or it is not loaded (modprobe br_netfilter)"
    remember "$1" br-netfilter "$(br_netfilter "$1")"
    if [[ $2 == on ]]; then set_br_netfilter "$1" 1; else set_br_netfilter "$1" 0; fi
}

cmd_iptables() {
    [[ $# -eq 2 && $2 =~ ^(legacy|nft)$ ]] || die "iptables: HOST legacy|nft"
    need_up
    need_host "$1"
    lock
    set_iptables "$1" "$2"
}
