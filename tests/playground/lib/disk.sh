# shellcheck shell=bash disable=SC2153
# A docker disk with no room left.

fill_disk() { # HOST
    local h=$1
    [[ -e $DIR/hosts/$h/docker.ext4 ]] ||
        die "$h has no docker disk of its own, so filling it would fill this machine's; begin with: up --disk 64M"
    # Big pieces first, then what is left in small ones; dd ends when it is full.
    # shellcheck disable=SC2016
    in_host "$h" bash -c 'for size in 1M 4k 1k; do
        dd if=/dev/zero of=/var/lib/docker/full bs=$size oflag=append conv=notrunc,fsync 2>/dev/null
    done; sync /var/lib/docker; df -h /var/lib/docker | tail -1 >&2'
}
free_disk() { # HOST
    in_host "$1" rm -f /var/lib/docker/full
}

cmd_disk() {
    [[ $# -eq 2 && $2 =~ ^(full|free)$ ]] || die "disk: HOST full|free"
    need_up
    need_host "$1"
    lock
    if [[ $2 == full ]]; then fill_disk "$1"; else free_disk "$1"; fi
}
