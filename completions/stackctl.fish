# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_stackctl_global_optspecs
    string join \n i/inventory= cluster= ledger= no-color q/quiet v/verbose h/help V/version
end

function __fish_stackctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_stackctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_stackctl_using_subcommand
    set -l cmd (__fish_stackctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c stackctl -n "__fish_stackctl_needs_command" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_needs_command" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_needs_command" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_needs_command" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_needs_command" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_needs_command" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_needs_command" -s V -l version -d 'Print version'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "deploy" -d 'Make the cluster run what the stackfile declares'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "up" -d 'Make the cluster run what the stackfile declares'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "diff" -d 'Show what a deploy would change; change nothing'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "snapshot" -d 'Save what runs to a file, for a diff without the hosts'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "rm" -d 'Remove stacks, never their volumes'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "remove" -d 'Remove stacks, never their volumes'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "down" -d 'Remove stacks, never their volumes'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "rollback" -d 'Deploy an older release of a stack'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "history" -d 'List the releases of a stack: when, by whom, from what'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "log" -d 'List every operation on the cluster, and how it ended'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "events" -d 'Print operations, and what happens to tasks and nodes, as events'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "undo" -d 'Restore what was declared before an operation'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "show" -d 'Show the contents of a release'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "reconcile" -d 'Keep every stack as declared: repair drift, replace lost tasks'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "hook" -d 'Deploy on git push, with progress in the pusher\'s terminal'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "suspend" -d 'Make the reconcile loop leave stacks alone'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "resume" -d 'Let the reconcile loop manage stacks again'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "unlock" -d 'Force-release a stale deploy lock'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "doctor" -d 'Check that hosts, records and rights are in order'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "ledger" -d 'Move, back up and restore the cluster\'s records'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "ls" -d 'List the stacks of the cluster'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "list" -d 'List the stacks of the cluster'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "status" -d 'Show sync, health and the last operation of every stack'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "ps" -d 'List the tasks of a stack'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "services" -d 'List the services of a stack'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "scale" -d 'Set the number of tasks of services'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "restart" -d 'Replace the tasks of a stack or a service without a change'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "service" -d 'Change, inspect and list single services'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "exec" -d 'Run a command in a task\'s container'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "logs" -d 'Show the output of a stack\'s tasks, merged by time'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "node" -d 'List, drain and label the nodes of the cluster'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "secret" -d 'Make, list and change secrets, which are kept encrypted'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "registry" -d 'Keep logins of registries for machines whose user has none'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "key" -d 'Manage the key of the cluster\'s secrets, and who can open it'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "volume" -d 'List the volumes of all hosts, and remove what tasks have left'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "image" -d 'Push images to hosts without a registry'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "agent" -d 'List, bring and remove the agents of hosts'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "trust" -d 'Trust the inventory of this folder to start what it names'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "check" -d 'Find mistakes in a stackfile without asking any host'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "config" -d 'Print the stackfile, or keep configs for all stacks'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "explain" -d 'Explain why tasks run where they do, and why not elsewhere'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "rebalance" -d 'Move a few tasks to the nodes that fit them best today'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "explain-code" -d 'Explain the code of a message: its cause and its remedy'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "version" -d 'Print the version of stackctl, and with --hosts of the engines'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c stackctl -n "__fish_stackctl_needs_command" -f -a "help" -d 'Show the help of a command, or a topic'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l resolve-image -d 'When to ask the registry which image a tag stands for' -r -f -a "always\t'Each time'
changed\t'Only if the file names another image than what runs'
never\t'Never: each host resolves the tag by itself'"
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l prune -d 'Also remove services that are no longer in the stackfile'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l atomic -d 'All or nothing: if a service fails, roll the whole stack back to what ran before'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l push -d 'Bring images that only this machine\'s engine has to the hosts that get tasks of them'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l resolve-image -d 'When to ask the registry which image a tag stands for' -r -f -a "always\t'Each time'
changed\t'Only if the file names another image than what runs'
never\t'Never: each host resolves the tag by itself'"
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l prune -d 'Also remove services that are no longer in the stackfile'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l atomic -d 'All or nothing: if a service fails, roll the whole stack back to what ran before'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l push -d 'Bring images that only this machine\'s engine has to the hosts that get tasks of them'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l resolve-image -d 'When to ask the registry which image a tag stands for' -r -f -a "always\t'Each time'
changed\t'Only if the file names another image than what runs'
never\t'Never: each host resolves the tag by itself'"
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l simulate-loss -d 'Plan as if these nodes were lost' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l simulate-add -d 'Plan as if this node were there too: NAME[:label=VALUE,…][:cpus=N,memory=SIZE]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l against -d 'Compare with a snapshot, and ask no host: a tag whose digest the snapshot does not have stays a tag' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l key -d 'With --against: the key that `snapshot --key-out` wrote [default: the value of `STACKCTL_SNAPSHOT_KEY`]. Without it hidden values cannot be compared, which counts as a difference' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l out -d 'Also save the plan to this file: `stackctl deploy FILE` carries out exactly that plan, or refuses it' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l format -d 'How to show it' -r -f -a "text\t'For people'
json\t'For programs: one JSON object'
markdown\t'For a comment on a pull request, with a marker that names the stack'
github\t'For the lines of a pull request on GitHub: workflow commands'
gitlab\t'For the lines of a merge request on GitLab: a code quality report'"
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l prune -d 'Also plan the removal of services that are no longer in the stackfile'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l push -d 'Plan as if `deploy --push` had brought images that only this machine\'s engine has, and show what it would bring'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l show-values -d 'Show values of variables, labels, commands, options and configs [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -s o -l output -d 'Write it to this file [default: stdout]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -l key-out -d 'Also write the key of its marks to this file: `diff --against` compares hidden values with it. Whoever has the key can check a guess at a value' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand snapshot" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l to -d 'Number of the release [default: the last successful one before the newest]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -l at -d 'Only releases until then: a time, or an operation as `log` names it' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Release}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand history" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -s n -l limit -d 'At most this many, the newest' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -l since -d 'Only operations that began since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -l format -d '`table`, `table TEMPLATE`, `json` for all details, or a Go template such as \'{{.What}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand log" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -l since -d 'Begin with the operations since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970 [default: all; with --follow: none]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -l format -d 'text, or json for one object a line [default: text at a terminal, else json]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -s f -l follow -d 'Continue with new events, including tasks that start and end, and nodes that are lost and return'
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand undo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -l at -d 'The release that was the newest then: a time, or an operation as `log` names it. It shows what was declared, not what ran' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -l format -d 'yaml for the declared stack; json for the whole record: also who deployed it, when and from what' -r -f -a "yaml\t'What was to run'
json\t'All of the record'"
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l policy -d 'What to do about a stack that is not as declared' -r -f -a "heal\t'Repair it'
report\t'Report it, and write nothing'"
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l interval -d 'Interval of full observations, if no event comes earlier' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l node-timeout -d 'How long a node may be silent before its tasks run elsewhere' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l discover-interval -d 'Interval at which the sources under `discover:` are asked for hosts' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l repo -d 'A git repository that declares what runs, with its branch or tag behind a `#`. The stacks are those of its stackctl.yml (`stacks:`), or else each folder of stacks/ that has a stackfile. Keep a token in git\'s credential helper or in this variable' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l repo-path -d 'The folder of the repository with stackctl.yml or stacks/ [default: its top]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l allowed-signers -d 'Accept only commits that are signed with one of these ssh keys: a file in the format of ALLOWED SIGNERS in ssh-keygen(1)' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l accept-history -d 'Also accept signed commits that descend from this one, and not from the commit that was released last: for a branch whose history was rewritten on purpose' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l variable -d 'A variable of this process\'s environment that stackfiles of repositories may use; they see no others' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l poll -d 'How often to poll a repository' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l webhook -d 'Serve /webhook at this address, for GitHub, GitLab, Gitea and Forgejo: after a push the loop polls the repository at once. TLS is the job of a reverse proxy' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l webhook-secret-file -d 'A file with the secret of the webhook; each line is a valid secret' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l listen -d 'Serve /healthz and /metrics (Prometheus) at this address' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l prune-images -d 'Remove images that nothing needs from hosts whose disk is used to so many percent, as `image prune` does; 0: never' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l format -d 'Format of the log: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l once -d 'End after one round: status 2 if drift is left, 1 if something prevents the repair, 5 if another loop is active'
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -f -a "install" -d 'Write a post-receive hook that releases what is pushed'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -f -a "remove" -d 'Take the hook away, and put back what was there before it'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and not __fish_seen_subcommand_from install remove run" -f -a "run" -d 'Release what was pushed, as the hook does: reads `OLD NEW REF` lines'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l repo-path -d 'Where in the repository stackctl.yml or stacks/ is [default: its top]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l allowed-signers -d 'Release only commits that one of these has signed by an ssh key: a file as ssh-keygen(1) has it under ALLOWED SIGNERS' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l accept-history -d 'Also release signed commits that descend from this one, and not from the commit that was released last: for a branch whose history was rewritten on purpose' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l env-file -d 'A file of variables that stackfiles may use, read again at each push' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l variable -d 'A variable of the hook\'s environment that stackfiles may use; they see no other' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l ref -d 'The branch to follow, or the full name of a ref; of `refs/tags/v*`, the highest version [default: the branch of the repository\'s HEAD]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l stackctl -d 'Where stackctl is on the machine of the repository' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l fail-push -d 'End `git push` with status 1 if something is not released, though the commit is in the repository'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l force -d 'Put it in the place of a hook that stackctl did not write; that one is kept beside it'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -l stackctl -d 'Where stackctl is on the machine of the repository' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l ref -d 'The branch to follow, or the full name of a ref; of `refs/tags/v*`, the highest version' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l repo-path -d 'Where in the repository stackctl.yml or stacks/ is [default: its top]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l allowed-signers -d 'Release only commits that one of these has signed by an ssh key: a file as ssh-keygen(1) has it under ALLOWED SIGNERS' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l accept-history -d 'Also release signed commits that descend from this one, and not from the commit that was released last: for a branch whose history was rewritten on purpose' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l env-file -d 'A file of variables that stackfiles may use, read again at each push' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l variable -d 'A variable of the hook\'s environment that stackfiles may use; they see no other' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand hook; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -s m -l message -d 'The reason, shown by the loop' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand suspend" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand resume" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand unlock" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -l format -d 'Text for people, or every finding as JSON' -r -f -a "text\t'A line for each cause of findings, and below it the remedy'
json\t'A list'"
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -f -a "migrate" -d 'Copy all records to another place, and read them back there'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -f -a "backup" -d 'Write all records into a file'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -f -a "restore" -d 'Write the records of a file into the ledger'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and not __fish_seen_subcommand_from migrate backup restore sync" -f -a "sync" -d 'Bring all records to every manager'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l unencrypted -d 'Do not encrypt it, whether the cluster has a key or not'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l spare -d 'Restore the cluster\'s keys, secrets and configs from the copy that managers keep apart from their volumes'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l force -d 'Remove what the ledger holds now, and accept a backup of another cluster'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s y -l yes -d 'With `--force`: do not ask before the records of stacks are removed that the backup does not have'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ledger; and __fish_seen_subcommand_from sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l repo -d 'A git repository that declares what runs, with its branch or tag behind a `#`. The stacks are those of its stackctl.yml (`stacks:`), or else each folder of stacks/ that has a stackfile. Keep a token in git\'s credential helper or in this variable' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l repo-path -d 'The folder of the repository with stackctl.yml or stacks/ [default: its top]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l allowed-signers -d 'Accept only commits that are signed with one of these ssh keys: a file in the format of ALLOWED SIGNERS in ssh-keygen(1)' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l accept-history -d 'Also accept signed commits that descend from this one, and not from the commit that was released last: for a branch whose history was rewritten on purpose' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l variable -d 'A variable of this process\'s environment that stackfiles of repositories may use; they see no others' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Stack}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -s f -l filter -d 'Filter: id=, name=, node=, desired-state=running|shutdown' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -l no-trunc -d 'Print whole ids, images with digests, and whole errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand ps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -s f -l filter -d 'Filter: id=, label=, mode=replicated|global, name=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand services" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand scale" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "update" -d 'Change a service and replace its tasks by its update policy'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "rollback" -d 'Undo the last change of a service'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "scale" -d 'Set the number of tasks of services'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "inspect" -d 'Show how services are declared'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "ls" -d 'List the services of all stacks'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "list" -d 'List the services of all stacks'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "ps" -d 'List the tasks of services'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and not __fish_seen_subcommand_from update rollback scale inspect ls list ps logs" -f -a "logs" -d 'Show the output of a service\'s tasks, merged by time'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l image -d 'Run this image' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l args -d 'Arguments for the image\'s entrypoint' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l entrypoint -d 'Replace the image\'s entrypoint' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l env-add -d 'Add or change a variable; a name alone takes the value it has here' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l env-rm -d 'Remove a variable' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l label-add -d 'Add or change a label of the service' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l label-rm -d 'Remove a label of the service' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l container-label-add -d 'Add or change a label of the containers' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l container-label-rm -d 'Remove a label of the containers' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s u -l user -d 'User, or uid:gid' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s w -l workdir -d 'Working directory in the container' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l hostname -d 'Host name of the containers' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l replicas -d 'Number of tasks' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l replicas-max-per-node -d 'At most this many tasks on one node; 0 is no limit' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l constraint-add -d 'Add a constraint' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l constraint-rm -d 'Remove a constraint, as it is written' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l placement-pref-add -d 'Spread over the values of a label' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l placement-pref-rm -d 'Stop spreading over a label' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l publish-add -d 'Publish a port: 8080:80, or published=8080,target=80,mode=host' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l publish-rm -d 'Stop publishing a port of the container: 80, or 53/udp' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l mount-add -d 'Add or change a mount: type=volume,source=data,target=/data' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l mount-rm -d 'Remove a mount by its path in the container' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l config-add -d 'Add a config of the stack: site, or source=site,target=/etc/site' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l config-rm -d 'Remove a config' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l network-add -d 'Join a network of the stack: back, or name=back,alias=db' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l network-rm -d 'Leave a network' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l limit-cpu -d 'Limit of CPU cores; 0 is no limit' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l limit-memory -d 'Limit of memory; 0 is no limit' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l limit-pids -d 'Limit of processes; 0 is no limit' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l reserve-cpu -d 'CPU cores reserved for each task' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l reserve-memory -d 'Memory reserved for each task' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l health-cmd -d 'Command that checks whether a task is healthy' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l health-interval -d 'Time between two checks' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l health-timeout -d 'Time limit of one check' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l health-retries -d 'Failed checks until a task counts as unhealthy' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l health-start-period -d 'Time after the start in which failed checks do not count' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l restart-condition -d 'When to restart an ended task: none, on-failure or any' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l restart-delay -d 'Delay before a restart' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l restart-max-attempts -d 'Limit of restarts; 0 is no limit' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l restart-window -d 'Time window in which restarts count' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l stop-grace-period -d 'Time before a task that does not stop is killed' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l stop-signal -d 'Signal that stops a task' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-parallelism -d 'Number of tasks replaced at a time in an update; 0 is all at once' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-delay -d 'Delay between two batches' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-monitor -d 'How long stackctl watches a new task for failure' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-order -d 'Order of replacement: start-first or stop-first' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-failure-action -d 'Action when an update fails: pause, continue or rollback' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l update-max-failure-ratio -d 'Tolerated share of failed tasks, 0 to 1' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-parallelism -d 'Number of tasks replaced at a time in a rollback; 0 is all at once' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-delay -d 'Delay between two batches' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-monitor -d 'How long stackctl watches a new task for failure' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-order -d 'Order of replacement: start-first or stop-first' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-failure-action -d 'Action when a rollback fails: pause or continue' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback-max-failure-ratio -d 'Tolerated share of failed tasks, 0 to 1' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l no-healthcheck -d 'Disable the health check, also that of the image'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l force -d 'Replace all tasks, even without a change'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l no-resolve-image -d 'Do not ask the registry which image the tag of --image stands for'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l rollback -d 'Undo the last change of the service'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s d -l detach -d 'Do not wait until the tasks are stable'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from scale" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -s f -l format -d 'A Go template such as \'{{.Spec.Mode}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -l pretty -d 'Print text for people instead of JSON'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: id=, label=, mode=replicated|global, name=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: id=, label=, mode=replicated|global, name=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter: id=, name=, node=, desired-state=running|shutdown' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Print whole ids, images with digests, and whole errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from ps" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s n -l tail -d 'How many lines to show of each task, or `all`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l since -d 'Only lines since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l until -d 'Only lines until then' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Follow: keep printing new lines'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Print the time of each line'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l no-trunc -d 'Print whole task ids in front of the lines'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l raw -d 'Print lines without the name of the task in front'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand service; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -l inventory -d 'Inventory file with the hosts of the cluster; `-i` has another meaning here' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s e -l env -d 'Set a variable; a name alone takes the value it has here' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s u -l user -d 'Run as this user, or uid:gid' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s w -l workdir -d 'Run in this directory of the container' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s i -l interactive -d 'Pass this command\'s input on'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s t -l tty -d 'Give the command a terminal'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -l privileged -d 'Give the command all capabilities'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand exec" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s n -l tail -d 'How many lines to show of each task, or `all`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l since -d 'Only lines since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l until -d 'Only lines until then' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s f -l follow -d 'Follow: keep printing new lines'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s t -l timestamps -d 'Print the time of each line'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l no-trunc -d 'Print whole task ids in front of the lines'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l raw -d 'Print lines without the name of the task in front'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand logs" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "ls" -d 'List the nodes of the cluster'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "list" -d 'List the nodes of the cluster'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "inspect" -d 'Show the details of nodes'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "ps" -d 'List the tasks of nodes, of all stacks'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "update" -d 'Change availability, role or labels of nodes, overriding the inventory'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "promote" -d 'Let constraints see nodes as managers'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "demote" -d 'Let constraints see nodes as workers'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and not __fish_seen_subcommand_from ls list inspect ps update promote demote forget" -f -a "forget" -d 'Forget hosts that are gone for good'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: id=, name=, role=manager|worker, node.label=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Hostname}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: id=, name=, role=manager|worker, node.label=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Hostname}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -s f -l format -d 'A Go template such as \'{{.Status.State}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -l pretty -d 'Print text for people instead of JSON'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter: id=, name=, desired-state=running|shutdown' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Print whole ids, images with digests, and whole errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from ps" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l availability -d 'Whether the nodes take tasks: with `pause` they keep their tasks and take no new ones, with `drain` they give their tasks away' -r -f -a "active\t'Takes new tasks'
pause\t'Keeps its tasks, takes no new ones'
drain\t'Gives its tasks away'"
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l role -d 'The role that constraints see as `node.role`. The ledger\'s managers are always those of the inventory' -r -f -a "manager\t'A manager'
worker\t'A worker'"
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l label-add -d 'Add or change a label, seen by constraints as `node.labels.KEY`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l label-rm -d 'Remove a label, also one of the inventory' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l force -d 'With `--availability drain`: also move tasks whose data is only on that node, and leave the data behind'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s d -l detach -l no-wait -d 'Only record the change: tasks move with the next deploy of their stack'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l with-registry-auth -d 'Send this machine\'s registry credentials to the hosts for their pulls, which is the default'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l without-registry-auth -d 'Do not send this machine\'s registry credentials (`docker login`) with pulls: hosts get those of each image\'s registry by default'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from demote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand node; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "create" -d 'Make a secret from a file, or from the standard input'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "ls" -d 'List secrets'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "list" -d 'List secrets'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "inspect" -d 'Show what is known of secrets, never their values'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "rm" -d 'Remove secrets'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "remove" -d 'Remove secrets'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "rotate" -d 'Give a secret a new value'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove rotate edit" -f -a "edit" -d 'Change the value of a secret in an editor'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -s l -l label -d 'Label, as KEY=VALUE' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -l decrypt -d 'Decrypt the file first, in memory: one that age or SOPS encrypted (YAML, JSON, dotenv or binary) to a key of yours'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: name=, label=KEY or label=KEY=VALUE' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: name=, label=KEY or label=KEY=VALUE' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s f -l format -d 'A Go template such as \'{{.Version}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l pretty -d 'For people'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -l decrypt -d 'Decrypt the file first, in memory: one that age or SOPS encrypted (YAML, JSON, dotenv or binary) to a key of yours'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand secret; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -f -a "login" -d 'Keep a login of a registry for the whole cluster'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -f -a "ls" -d 'List the registries of which the cluster keeps a login'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -f -a "list" -d 'List the registries of which the cluster keeps a login'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and not __fish_seen_subcommand_from login ls list logout" -f -a "logout" -d 'Forget the login of a registry'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -s u -l username -d 'Name of the user' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -l password-stdin -d 'Read the password or token from the standard input, up to the end of the first line'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -l unchecked -d 'Do not ask the registry whether it takes the login'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Registry}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Registry}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand registry; and __fish_seen_subcommand_from logout" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -f -a "init" -d 'Make the key of the cluster'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -f -a "show" -d 'Show the key, and who can open it'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -f -a "add-recipient" -d 'Let one more person or program open the key'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -f -a "rm-recipient" -d 'Take the key from a recipient: make a new one, and encrypt all secrets again'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and not __fish_seen_subcommand_from init show add-recipient rm-recipient rotate" -f -a "rotate" -d 'Make a new key for the same recipients, and encrypt all secrets again'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -s r -l recipient -d 'Who can open the key: NAME=KEY, where KEY is an age1… or ssh public key, or a file with one [default: you]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -s f -l format -d '`json`, or a Go template such as \'{{.Public}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from add-recipient" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rm-recipient" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -l key -d 'A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -f -a "ls" -d 'List the volumes of the cluster, over all hosts'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -f -a "list" -d 'List the volumes of the cluster, over all hosts'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -f -a "inspect" -d 'Show the details of volumes'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and not __fish_seen_subcommand_from ls list inspect prune" -f -a "prune" -d 'Remove what replaced tasks have left: volumes without a name that hold no slot\'s newest data'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: name=, node=, stack=, service=, status=in-use|kept|unused|unknown, anonymous=true|false' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s a -l all -d 'Volumes of no stack of this cluster, too'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print whole names'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: name=, node=, stack=, service=, status=in-use|kept|unused|unknown, anonymous=true|false' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s a -l all -d 'Volumes of no stack of this cluster, too'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -l no-trunc -d 'Print whole names'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'A Go template such as \'{{.Status}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -l lock-timeout -d 'How long to wait if another process holds the lock of a stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -f -a "ls" -d 'List the images of all hosts: where each is, and what uses it'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -f -a "list" -d 'List the images of all hosts: where each is, and what uses it'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -f -a "push" -d 'Bring hosts an image, without a registry: only the layers that they lack'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and not __fish_seen_subcommand_from ls list push prune" -f -a "prune" -d 'Remove images that no container has and no newer release needs'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: reference=, node=, service=, dangling=true|false' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print whole ids'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: reference=, node=, service=, dangling=true|false' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Print whole ids'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l host -d 'Only to these hosts [default: to all]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l stack -d 'Only to the hosts that run tasks of this stack' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l tag -d 'What the image is called on the hosts [default: its names in the source]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l image -d 'Which image is meant, where an archive has several' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l format -d 'Lines for people, or JSON lines' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l dry-run -d 'Show what would be sent and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l keep -d 'How many of the newest releases of each stack keep their images' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l lock-timeout -d 'How long to wait if another process holds the lock of a stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Also images that no release has named and that were not pushed'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "ls" -d 'List the agents of the cluster, and hosts without one'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "list" -d 'List the agents of the cluster, and hosts without one'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "install" -d 'Bring hosts an agent, or a newer one'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "rm" -d 'Remove agents, with everything that came with them'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "remove" -d 'Remove agents, with everything that came with them'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "logs" -d 'Show what happened between agents: who was turned away, who was not reached, what was handed over'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and not __fish_seen_subcommand_from ls list install rm remove logs serve" -f -a "serve" -d 'Be the agent of this host'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Node}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Node}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -s y -l yes -d 'Do not ask for confirmation where every host has an agent already; never stands in for the consent to the first one'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -l dry-run -d 'Show what would be done and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -l force -d 'Remove them also where containers have secrets from them: those cannot start again then'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -l dry-run -d 'Show what would be removed and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -l force -d 'Remove them also where containers have secrets from them: those cannot start again then'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -l dry-run -d 'Show what would be removed and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l of -d 'The cluster that it is of' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l socket -d 'The socket for clients; its folder, and the one above, are the agent\'s own' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l engine -d 'The engine\'s socket, whose group may use the agent\'s' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l activation -d 'The socket that the engine waits for' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l on-host -d 'What the engine calls the folder of the socket for clients' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l identity -d 'The file that has who it is among the agents of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand agent; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -s y -l yes -d 'Do not ask'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -l forget -d 'Trust it no more'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand trust" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l format -d 'text, or json for programs' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l strict -d 'Treat warnings as errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l format -d 'yaml for the merged file, docker for one that `docker stack deploy` can read, json for the resulting specification, swarm for the requests that `docker stack deploy` would send to an engine' -r -f -a "yaml\t'The merged file'
docker\t'The merged file without keys that docker\'s client cannot read'
json\t'The resulting specification, with every default filled in'
swarm\t'The requests of docker\'s client'"
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l stack -d 'Name of the stack [default: the `name` of the files, or else the name of their directory]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l hash -d 'Print services with the hash of their task specification, one a line; a new hash means replaced tasks' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l skip-interpolation -d 'Leave variables as they are'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l services -d 'Print the names of the services, one a line'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l images -d 'Print the images, one a line, each once'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "create" -d 'Make a config from a file, or from the standard input'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "ls" -d 'List configs: those made by `config create`, and those of stacks'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "list" -d 'List configs: those made by `config create`, and those of stacks'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "inspect" -d 'Show configs, with what is in them'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "rotate" -d 'Give a config a new content: stacks that use it get it with their next deploy'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "rm" -d 'Remove configs made by `config create`'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and not __fish_seen_subcommand_from create ls list inspect rotate rm remove" -f -a "remove" -d 'Remove configs made by `config create`'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -s l -l label -d 'Label, as KEY=VALUE' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -l template-driver -d 'What fills the content in for each task: golang' -r -f -a "golang\t''"
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter: name=, label=KEY or label=KEY=VALUE, stack=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Names only'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter: name=, label=KEY or label=KEY=VALUE, stack=' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -l format -d '`table`, `table TEMPLATE`, `json`, or a Go template such as \'{{.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Names only'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -s f -l format -d 'A Go template such as \'{{.Spec.Name}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -l pretty -d 'For people'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand config; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l format -d 'How to show it' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s c -l compose-file -d 'Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l profile -d 'Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l env-file -d 'Read variables from this file. Later files win over earlier ones, and the environment over all of them [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l max-moves -d 'Move at most this many tasks, of all stacks together' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s m -l message -d 'A message for the release, shown by `history`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l lock-timeout -d 'How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l timeout -d 'Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l format -d 'How to report: text, or json for one JSON object a line' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l strict-docker -d 'Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the variables of `docker compose`'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s y -l yes -d 'Do not ask for confirmation'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l dry-run -d 'Show the plan and stop'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l show-values -d 'Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand rebalance" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -l format -d 'text, or json for programs' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand explain-code" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -s f -l format -d '`json`, or a Go template such as \'{{.Client.Version}}\'' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -l hosts -d 'Ask the engine of every node as well'
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand version" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -l dir -d 'Write all pages into this directory: commands as section 1, topics as section 7; for a directory `man1` the topics go to `man7` beside it' -r -f -a "(__fish_complete_directories)"
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand man" -s h -l help -d 'Print help'
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -s i -l inventory -d 'Inventory file with the hosts of the cluster' -r -F
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -l cluster -d 'Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -l ledger -d 'Where the cluster\'s records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`, `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]' -r
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -l no-color -d 'No colours (as with NO_COLOR set)'
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -s q -l quiet -d 'Print only data, warnings and errors'
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -s v -l verbose -d 'Print more details'
complete -c stackctl -n "__fish_stackctl_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
