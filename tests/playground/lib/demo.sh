# shellcheck shell=bash disable=SC2153
# The first five minutes: hosts, a stack on them, and what to try next.

cmd_demo() { # as whoever typed it: cargo belongs to a person, hosts to root
    local stackctl target=${CARGO_TARGET_DIR:-$REPO/target} stack=stacks/efk/docker-compose.yml
    cd "$REPO" || exit
    command -v cargo >/dev/null || die "cargo is not here; install Rust from https://rustup.rs and try again"
    "$SELF" up 4
    say "building stackctl (cargo quick)"
    cargo quick || die "stackctl does not build"
    stackctl=$target/quick/stackctl
    say "loading stand-ins for the images of $stack"
    "$SELF" image --stand-in-for "$stack"
    export STACKCTL_INVENTORY=$DIR/stackctl.yml
    say "stackctl deploy -i $DIR/stackctl.yml -c $stack --yes efk"
    "$stackctl" deploy -i "$DIR/stackctl.yml" -c "$stack" --yes efk
    say "stackctl ps efk -i $DIR/stackctl.yml"
    "$stackctl" ps efk -i "$DIR/stackctl.yml"
    local pg=${SELF#"$REPO"/}
    cat <<END

Four hosts run the stack efk. In $REPO, try next:

  # once, so that the commands below find each other
  export PATH=$(dirname "$stackctl"):\$PATH STACKCTL_INVENTORY=$DIR/stackctl.yml PLAYGROUND_DIR=$DIR

  # the hosts, with their roles and labels
  stackctl node ls

  # change a config; see what a deploy would do, and why; do it
  sed -i 's/flush_interval 5s/flush_interval 2s/' stacks/efk/fluentd/efk.conf
  stackctl diff -c $stack efk
  stackctl deploy -c $stack efk

  # a host loses power, and boots again
  $pg kill h3 && stackctl ps efk
  $pg start h3 && stackctl ps efk

  # another stack beside it; then with a page on every host
  $pg image --stand-in-for stacks/vote/docker-compose.yml
  stackctl deploy -c stacks/vote/docker-compose.yml --yes vote
  sed -i 's/replicas: 2/replicas: 4/' stacks/vote/docker-compose.yml
  stackctl deploy -c stacks/vote/docker-compose.yml vote

  # remove a stack; then the hosts, and nothing is left
  stackctl rm efk
  $pg down
END
}
