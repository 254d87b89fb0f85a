//! Runs a backend's watch for as long as it has a receiver. How to watch is up to the backend.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::register::Written;

/// Before a watch that broke is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// Capacity for notifications that are not yet received.
const HEARD_MAX: usize = 64;

/// What a watch reports. A watch that ends has broken, and is restarted.
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
