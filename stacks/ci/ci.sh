#!/bin/sh
# What CI does with a stack, one step a call. The samples beside this file call it; any other CI can.
#
#   ci.sh check      is the stackfile right? Asks no host
#   ci.sh review     what would a merge change? Asks no host: compares with a snapshot
#   ci.sh plan       what will be done? Asks the hosts, changes nothing, keeps the plan
#   ci.sh deploy     does what the plan says, or nothing if it is stale
#   ci.sh snapshot   keeps what runs now, for the reviews to come
#
# Set STACK and FILE; the hosts are those of ./stackctl.yml or $STACKCTL_INVENTORY.

set -eu

STACK=${STACK:-shop}
FILE=${FILE:-docker-compose.yml}
SNAPSHOT=${SNAPSHOT:-snapshot.json}
PLAN=${PLAN:-plan.bin}

# `diff` ends with 2 where something would change: that is an answer, no failure.
differs() {
    "$@" || [ $? -eq 2 ]
}

case ${1:-} in
check)
    stackctl check -c "$FILE" "$STACK"
    ;;
review)
    # The comment first: it tells also what is wrong with the file.
    status=0
    differs stackctl diff --against "$SNAPSHOT" --format markdown -c "$FILE" "$STACK" >comment.md || status=$?
    # The same at the lines of the change, for whichever of the two this is.
    if [ -n "${GITHUB_ACTIONS:-}" ]; then
        differs stackctl --quiet diff --against "$SNAPSHOT" --format github -c "$FILE" "$STACK" || status=$?
    elif [ -n "${GITLAB_CI:-}" ]; then
        differs stackctl --quiet diff --against "$SNAPSHOT" --format gitlab -c "$FILE" "$STACK" \
            >gl-code-quality-report.json || status=$?
    fi
    exit "$status"
    ;;
plan)
    differs stackctl diff --out "$PLAN" -c "$FILE" "$STACK"
    ;;
deploy)
    # A path is always a plan, whatever it is called.
    case $PLAN in
    */*) stackctl deploy --yes "$PLAN" ;;
    *) stackctl deploy --yes "./$PLAN" ;;
    esac
    ;;
snapshot)
    stackctl snapshot -o "$SNAPSHOT"
    ;;
*)
    echo "usage: ci.sh check|review|plan|deploy|snapshot" >&2
    exit 64
    ;;
esac
