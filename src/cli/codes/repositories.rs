//! Repositories that a loop follows.

use super::{Code, row};

pub(super) const CODES: &[Code] = &[
    row(
        &["repository"],
        "no_git",
        "no git program",
        "Repositories are read by git, and it cannot be started.",
        "Install git on the machine where the loop runs.",
        "apt-get install git",
    ),
    row(
        &["repository"],
        "no_mirror",
        "a mirror that cannot be written",
        "What is fetched of a repository is kept in a directory of this machine.",
        "Make the directory writable, or name another with XDG_STATE_HOME.",
        "XDG_STATE_HOME=/var/lib/stackctl stackctl reconcile --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "no_place",
        "no place for a mirror",
        "Neither XDG_STATE_HOME nor HOME is set, so nobody said where a mirror may be.",
        "Set one of them.",
        "XDG_STATE_HOME=/var/lib/stackctl stackctl reconcile --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "no_variable",
        "a variable that is not set",
        "A variable was named that stackfiles of repositories may use, and the environment does not have it.",
        "Set it, or do not name it.",
        "TAG=1.4 stackctl reconcile --variable TAG --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "git_failed",
        "a repository that cannot be read",
        "It is not there, does not let us in, or has no such branch. What was deployed from it stays.",
        "Try the same with git, without prompts. A token belongs into a credential helper.",
        "GIT_TERMINAL_PROMPT=0 git ls-remote https://git.example.com/ops.git main",
    ),
    row(
        &["repository"],
        "git_silent",
        "a repository that does not answer",
        "Git was given two minutes to fetch one commit. What was deployed from the repository stays.",
        "Look at the network between this machine and the repository.",
        "GIT_TERMINAL_PROMPT=0 git ls-remote https://git.example.com/ops.git main",
    ),
    row(
        &["repository"],
        "not_signed",
        "a commit that nobody allowed has signed",
        "The loop was told to release signed commits only. The commit has no signature, or that of somebody else.",
        "Sign it with an ssh key that is among the allowed signers.",
        "git -c gpg.format=ssh -c user.signingkey=~/.ssh/id_ed25519 commit -S",
    ),
    row(
        &["reconcile"],
        "webhook_secret",
        "no secret for a webhook",
        "Without a secret that the forge shares, anybody could have repositories asked. The file is not there, or empty.",
        "Write a secret into the file, and the same at the forge.",
        "openssl rand -hex 32 >/etc/stackctl/webhook",
    ),
    row(
        &["repository"],
        "unreadable_list",
        "a list of stacks that cannot be read",
        "The repository's stackctl.yml is a symbolic link, a folder, or too large.",
        "Make it a file.",
        "stacks: [{stack: shop, files: [shop/compose.yaml]}]",
    ),
];
