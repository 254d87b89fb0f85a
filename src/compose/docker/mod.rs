//! Docker's reading to the letter ([`Reading::Docker`](super::Reading)): what a file means to
//! `docker stack deploy`, in the places where we read it otherwise on purpose.
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
//! Where ours is another, whoever reads a file is told, with the place:
//!
//! | what | told by |
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
//! Nothing is told where a key does what it says and docker merely forgets it (`tmpfs` of a service,
//! `oom_score_adj`, addresses, `depends_on`, `network_mode`, ...): the file is obeyed, and a note at each of
//! them would be noise to everybody who writes for Compose. Read strictly each gets a warning ([`drops`]).
//! Nor where docker's way can hardly be meant: the drive `v:` on Linux, the text `${B}` in `${A:-${B}}`. The
//! remaining differences are those of a deploy and not of a file: health, back-off, order, deadlines.
//!
//! Still refused is what docker refuses at a deploy, and what swarm mode refuses. More than docker takes is
//! taken: forms of the Compose specification that it does not know keep their meaning.

pub mod drops;
pub mod form;
pub mod merge;
pub mod variables;
