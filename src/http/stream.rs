//! Two-way streams of bytes to another process, whatever they run over.

use std::io;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::tls::Tls;

/// Something that can be read from and written to.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream of any kind.
pub type Stream = Box<dyn Duplex>;

/// A stream to a port, with TLS inside if it is given.
///
/// # Errors
///
/// No connection, a host name that no certificate can have, or a certificate that is not trusted.
pub async fn tcp(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Stream> {
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    match tls {
        None => Ok(Box::new(tcp)),
        Some(tls) => Ok(Box::new(tls.connect(host, tcp).await?)),
    }
}

/// A stream to a socket of this machine.
///
/// # Errors
///
/// No such socket, or nothing listens at it.
pub async fn unix(path: &Path) -> io::Result<Stream> {
    Ok(Box::new(UnixStream::connect(path).await?))
}
