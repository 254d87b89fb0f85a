//! Docker's exact reading ([`Reading::Docker`](super::Reading)): what a file means to `docker stack deploy`, wherever
//! stackctl reads it differently on purpose.
//!
//! - An operator works without braces, and nothing nests ([`variables`]).
//! - Several files merge by docker's rules ([`merge`]): zero and empty never win, lists pile up.
//! - What a swarm service has no place for, or the loader forgets, is dropped ([`drops`]); `restart: "no"`
//!   restarts.
//! - An empty variable takes the caller's value (`normal`).
//! - One letter before a colon is a Windows drive (`short`).
//! - What only the engine refuses passes, with a warning: templates beyond ours, relative targets (`lower`),
//!   constraints that no node meets, clashing targets, signals and addresses that are none (`checks`).
//!
//! Where stackctl's own reading differs, a diagnostic shows it, with the place:
//!
//! | what | diagnostic |
//! |---|---|
//! | `restart: "no"` | `never_restarted` |
//! | `E=` | `stays_empty`, where the caller has an `E` |
//! | `$TAG-alpine` | `operator_without_braces` |
//! | a variable that is not set | `unset_variable` |
//! | a value from `.env` | `dotenv_used` |
//! | zero, false, empty, ports and tests of a later file | `merged_otherwise` |
//! | relative paths of the nodes | `relative_bind` |
//! | a rollback that is rolled back, or has an impossible ratio | `rollback_of_a_rollback`, `out_of_range` |
//! | names that are too long, bad subnets and DNS addresses | `name_too_long`, `bad_subnet`, `bad_address` |
//!
//! There is no diagnostic where stackctl uses a key that docker merely drops (`tmpfs` of a service,
//! `oom_score_adj`, addresses, `depends_on`, `network_mode`, ...): a note at each of them would be
//! noise for authors of Compose files. In the strict reading each gets a warning ([`drops`]).
//! Nor is there one where docker's reading can hardly be intended: the drive `v:` on Linux, the text `${B}` in `${A:-${B}}`. The
//! remaining differences are those of a deploy and not of a file: health, back-off, order, deadlines.
//!
//! What docker or swarm mode refuses at a deploy is still refused. Forms of the Compose specification that docker does
//! not know are accepted, with their meaning.

pub mod drops;
pub mod form;
pub mod merge;
pub mod variables;
