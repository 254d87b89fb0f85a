//! HTTP/1 as this program speaks it: [streams](stream) over TCP, unix sockets and [TLS](tls), a
//! [client](client) over any of them, [TLS of equals](mutual), a [server](server) with limits for whatever may reach it, and
//! [bodies](body) with an end.
//!
//! Knows nothing of what is asked or answered: which paths there are, who may ask, what is tried again and
//! which connections are kept is up to the rooms above. Reads no files: certificates come in as PEM text.

pub mod body;
pub mod client;
pub mod mutual;
pub mod server;
pub mod stream;
pub mod tls;
