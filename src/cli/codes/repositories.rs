//! Repositories that a loop follows.

use super::{Code, row};

pub(super) const CODES: &[Code] = &[
    row(
        &["repository"],
        "no_git",
        "no git program",
        "stackctl reads repositories with git, which cannot be started.",
        "Install git on the machine where the loop runs.",
        "apt-get install git",
    ),
    row(
        &["repository"],
        "no_mirror",
        "a mirror that cannot be written",
        "stackctl keeps a mirror of the repository in a directory of this machine.",
        "Make the directory writable, or name another with XDG_STATE_HOME.",
        "XDG_STATE_HOME=/var/lib/stackctl stackctl reconcile --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "no_place",
        "no place for a mirror",
        "Neither XDG_STATE_HOME nor HOME is set, so there is no place for a mirror.",
        "Set one of them.",
        "XDG_STATE_HOME=/var/lib/stackctl stackctl reconcile --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "no_variable",
        "a variable that is not set",
        "`--variable` names a variable that the environment does not have.",
        "Set it, or remove the flag.",
        "TAG=1.4 stackctl reconcile --variable TAG --repo https://git.example.com/ops.git",
    ),
    row(
        &["repository"],
        "git_failed",
        "a repository that cannot be read",
        "The repository does not exist, denies access, or has no such branch. What was deployed from it stays.",
        "Try the same with git, without prompts. Keep a token in a credential helper.",
        "GIT_TERMINAL_PROMPT=0 git ls-remote https://git.example.com/ops.git main",
    ),
    row(
        &["repository"],
        "git_silent",
        "a repository that does not answer",
        "git could not fetch a commit within two minutes. What was deployed from the repository stays.",
        "Check the network between this machine and the repository.",
        "GIT_TERMINAL_PROMPT=0 git ls-remote https://git.example.com/ops.git main",
    ),
    row(
        &["repository"],
        "not_signed",
        "a commit without an allowed signature",
        "The loop accepts signed commits only. The commit has no signature, or one that is not allowed.",
        "Sign it with an ssh key that is among the allowed signers.",
        "git -c gpg.format=ssh -c user.signingkey=~/.ssh/id_ed25519 commit -S",
    ),
    row(
        &["reconcile"],
        "webhook_secret",
        "no secret for a webhook",
        "Without a secret that the forge shares, anyone could make the loop poll repositories. The file is missing or empty.",
        "Write a secret into the file, and set the same at the forge.",
        "openssl rand -hex 32 >/etc/stackctl/webhook",
    ),
    row(
        &["repository"],
        "unreadable_list",
        "a list of stacks that cannot be read",
        "The repository's stackctl.yml is a symbolic link, a folder, or too large.",
        "Replace it with a regular, smaller file.",
        "stacks: [{stack: shop, files: [shop/compose.yaml]}]",
    ),
];
