# shellcheck shell=bash disable=SC2153
# The hosts as a swarm, to compare with docker's own, or to be deployed to.

leave_swarm() { # HOST
    dk "$1" swarm leave --force >/dev/null 2>&1 || true
    # Where managers leave together, a swarm without a majority never tells them that its ingress network is gone.
    if dk "$1" network ls --format '{{.Name}}' | grep -qx ingress; then
        stop_dockerd "$1" TERM
        start_dockerd "$1"
    fi
}

swarm_off() {
    local h pids=()
    for h in $(all_hosts); do leave_swarm "$h" & pids+=($!); done
    wait "${pids[@]}" || true
}

is_in_swarm() { [[ $(dk "$1" info -f '{{.Swarm.LocalNodeState}}') == active ]]; } # HOST
is_manager() { [[ $(dk "$1" info -f '{{.Swarm.ControlAvailable}}') == true ]]; }

join_swarm() { # HOST TOKEN
    dk "$1" swarm join --token "$2" --advertise-addr "$(ip_of "$1")" "$(ip_of h1):2377" >/dev/null
}

swarm_on() { # MANAGERS: h1..hM; the other hosts are workers
    local h pids=() token failed='' args label
    if ! is_manager h1; then
        dk h1 swarm init --advertise-addr "$(ip_of h1)" --data-path-addr "$(ip_of h1)" >/dev/null
    fi
    token=$(dk h1 swarm join-token -q manager)
    # One after another, for each changes how many are a majority.
    for ((h = 2; h <= $1; h++)); do
        if ! is_in_swarm "h$h"; then join_swarm "h$h" "$token"; elif ! is_manager "h$h"; then dk h1 node promote "h$h" >/dev/null; fi
    done
    token=$(dk h1 swarm join-token -q worker)
    for h in $(all_hosts); do
        if ! is_in_swarm "$h"; then join_swarm "$h" "$token" & pids+=($!); fi
    done
    for h in "${pids[@]}"; do wait "$h" || failed=1; done
    [[ -z $failed ]] || die "swarm: not every host joined; see $DIR/logs/hN-dockerd.log"
    for h in $(all_hosts); do
        if ((${h#h} > $1)) && is_manager "$h"; then dk h1 node demote "$h" >/dev/null; fi
        args=()
        for label in $(dk "$h" info -f '{{range .Labels}}{{.}} {{end}}'); do args+=(--label-add "$label"); done
        dk h1 node update "${args[@]}" "$h" >/dev/null
    done
}

cmd_swarm() {
    local managers=1
    if [[ ${2:-} == --managers ]]; then managers=${3:-}; set -- "$1" "${@:4}"; fi
    [[ $# -eq 1 && $1 =~ ^(on|off)$ && $managers =~ ^[1-9][0-9]?$ ]] || die "swarm: on [--managers N], or off"
    need_up
    [[ $managers -le $N ]] || die "swarm: there are $N hosts, too few for $managers managers"
    lock
    if [[ $1 == on ]]; then swarm_on "$managers"; else swarm_off; fi
}
