//! Asks another agent. The connection comes from the address by which the others know this one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::identity::Identity;
use super::talk::{Ask, Reply, TALK_MAX, read_reply, write_ask};
use crate::agent::join::Peer;
use crate::agent::put::Came;
use crate::agent::relay::{
    self,
    frames::{Frame, write},
};
use crate::http::stream::Stream;
use crate::http::{body, client};
use crate::vault::authority::name_of_host;

/// For a connection, and for its certificates.
const GREET_LIMIT: Duration = Duration::from_secs(3);
/// For an answer without a value; and for values, over a slow line.
const WORD_LIMIT: Duration = Duration::from_secs(5);
const VALUES_LIMIT: Duration = Duration::from_secs(30);

/// Asks one thing; in words why there is no answer.
pub async fn ask(own: &Identity, peer: &Peer, asked: &Ask) -> Result<Reply, String> {
    ask_from(own, own.join.own.address, peer, asked).await
}

/// The same from another address of this host.
pub async fn ask_from(own: &Identity, from: IpAddr, peer: &Peer, asked: &Ask) -> Result<Reply, String> {
    let bytes = write_ask(asked);
    if bytes.len() > TALK_MAX {
        return Err(format!(
            "they are more than the {} MiB that an agent of its version takes: `stackctl agent install` brings a newer one",
            TALK_MAX >> 20
        ));
    }
    let stream = greeted(own, from, peer).await?;
    let answered = async {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(header::HOST, "agent")
            .body(Full::new(Bytes::from_owner(bytes)))
            .map_err(|error| error.to_string())?;
        let mut sender = client::handshake(stream).await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let came = body::whole(response.into_body(), TALK_MAX).await.map_err(|error| error.to_string())?;
        read_reply(&Came(came).0)
    };
    let limit = match asked {
        Ask::Keep { .. } | Ask::Give { .. } => VALUES_LIMIT,
        Ask::Hello { .. } | Ask::Has { .. } | Ask::Drop => WORD_LIMIT,
    };
    match timeout(limit, answered).await {
        Ok(Ok(Reply::Refused(why))) => Err(format!("it refuses: {why}")),
        Ok(reply) => reply,
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

/// A stream of layers from another agent, for a transfer; in words why there is none.
pub async fn layers(own: &Identity, peer: &Peer, transfer: &str) -> Result<Stream, String> {
    let stream = greeted(own, own.join.own.address, peer).await?;
    let agreed = timeout(WORD_LIMIT, client::stream_of(stream, "agent", relay::PATH, relay::STREAM)).await;
    let agreed = agreed.map_err(|_| format!("no answer within {} s", WORD_LIMIT.as_secs()))?;
    let mut stream = agreed.map_err(|error| error.to_string())?;
    let come = Frame::Come(transfer.to_owned());
    write(&mut stream, &come, WORD_LIMIT).await.map_err(|error| error.to_string())?;
    Ok(stream)
}

/// A stream to another agent, by the certificates of both.
async fn greeted(own: &Identity, from: IpAddr, peer: &Peer) -> Result<Stream, String> {
    let greeted = async {
        let tcp = connect(from, peer.at()).await?;
        own.tls.connect(&name_of_host(&peer.host), tcp).await
    };
    let stream = timeout(GREET_LIMIT, greeted).await;
    let stream = stream.map_err(|_| format!("no answer within {} s", GREET_LIMIT.as_secs()))?;
    stream.map_err(|error| error.to_string())
}

async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    match socket.bind(SocketAddr::new(from, 0)) {
        // The host has another address by now. The others may know of it, and say so; if they do not, they turn it away.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
        bound => bound?,
    }
    let tcp = socket.connect(to).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
