//! Probes of one host.
//!
//! The engine is asked for its version. If it is slow, its machine is probed as well: the kernel accepts a
//! TCP connection to the sshd port however busy everything above it is. That distinguishes an overloaded
//! machine from a dead one.
//!
//! Knows nothing of what follows from a missed probe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::docker::client::CallError;
use super::docker::wire;
use super::host::Host;

/// After so long without an answer of the engine, its machine is probed.
const ENGINE_FIRST: Duration = Duration::from_millis(500);
/// Whether the machine can be probed directly is found out while it answers.
const CHECK_LIMIT: Duration = Duration::from_millis(1_000);

/// Asks one host.
#[derive(Debug)]
pub struct Probe {
    host: Arc<Host>,
    /// Where its kernel can be reached directly; not so behind a jump host. `None`: not known yet.
    direct: Option<Option<SocketAddr>>,
}

/// Who gave a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The engine answered.
    Engine,
    /// The machine answers; its engine does not.
    Machine,
}

impl Probe {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host, direct: None }
    }

    /// One sign of life within the limit, or why there was none. A connection that is gone is made again
    /// in the background.
    pub async fn sign(&mut self, limit: Duration) -> Result<Sign, String> {
        // Its limit begins when it has its turn.
        let _turn = self.host.turns().probe().await;
        let up = self.host.up();
        let address = up.as_ref().ok().and_then(|up| up.address);
        let known = self.direct.flatten();
        let engine = async {
            let up = match up {
                Ok(up) => up,
                Err(error) => {
                    self.host.reconnect_later();
                    return Err(error.to_string());
                }
            };
            match up.engine.reader.without_turns().get::<wire::Version>("/version", limit).await {
                Ok(_) | Err(CallError::Status { .. } | CallError::Decode(_) | CallError::TooLong(_)) => {
                    Ok(())
                }
                Err(error) => {
                    let text = error.to_string();
                    self.host.recover_later(up, error);
                    Err(text)
                }
            }
        };
        let machine = async {
            let Some(address) = known else { return false };
            sleep(ENGINE_FIRST).await;
            matches!(
                timeout(limit.saturating_sub(ENGINE_FIRST), TcpStream::connect(address)).await,
                Ok(Ok(_))
            )
        };
        tokio::pin!(engine, machine);
        let (mut engine_said, mut machine_said) = (None, None);
        let sign = loop {
            tokio::select! {
                said = &mut engine, if engine_said.is_none() => engine_said = Some(said),
                said = &mut machine, if machine_said.is_none() => machine_said = Some(said),
            }
            match (&engine_said, machine_said) {
                (Some(Ok(())), _) => break Ok(Sign::Engine),
                (Some(Err(_)), Some(true)) => break Ok(Sign::Machine),
                (Some(Err(why)), Some(false)) => break Err(why.clone()),
                (None, _) | (Some(Err(_)), None) => {}
            }
        };
        if sign == Ok(Sign::Engine)
            && self.direct.is_none()
            && let Some(address) = address
        {
            let answers = timeout(CHECK_LIMIT, TcpStream::connect(address)).await;
            self.direct = Some(matches!(answers, Ok(Ok(_))).then_some(address));
        }
        sign
    }
}
