//! Hearing of what is written from a keeper that can be watched, for as long as anybody listens. How a keeper
//! is watched is its own.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::register::Written;

/// Before a watch that broke is opened anew.
const PAUSE: Duration = Duration::from_millis(300);
/// What was heard and not yet taken up.
const HEARD_MAX: usize = 64;

/// What a watch tells. One that ends has broken, and is begun anew.
pub(super) fn following<F>(watch: impl Fn(Sender<Written>) -> F + Send + Sync + 'static) -> Receiver<Written>
where
    F: Future<Output = ()> + Send,
{
    let (tell, heard) = channel(HEARD_MAX);
    tokio::spawn(async move {
        let watching = async {
            loop {
                watch(tell.clone()).await;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = tell.closed() => {}
        }
    });
    heard
}
