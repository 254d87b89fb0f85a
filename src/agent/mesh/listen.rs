//! What other agents ask of this one. What is no agent of this cluster is let go without an answer, and noted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};

use super::identity::Identity;
use super::news;
use super::state::State;
use super::talk::{Ask, Here, PART_BYTES, Reply, TALK_MAX, read_ask, write_reply};
use crate::agent::put::{Came, Part};
use crate::agent::relay;
use crate::agent::relay::board::Came as Comer;
use crate::agent::relay::frames::{Frame, Incoming as Frames};
use crate::agent::wire::Refusal;
use crate::http::body;
use crate::http::server::{self, Answer, Limits, Server};
use crate::http::stream::Stream;
use crate::vault::authority::name_of_host;

/// A few agents at a time, none of which takes its time; but all secrets of a host may come over a slow line.
const LIMITS: Limits =
    Limits { connections_max: 64, head: Duration::from_secs(5), whole: Duration::from_secs(30) };
/// Between two attempts to listen: another agent of this host may be about to end, or its address about to be there.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// For answers that are on their way when the agent becomes another one.
const ANSWER_PAUSE: Duration = Duration::from_millis(200);

/// Listens where the others look for this one, and elsewhere when that changes.
pub async fn listen(state: Arc<State>) {
    let mut identities = state.identities();
    loop {
        let identity = identities.borrow_and_update().clone();
        let server = match &identity {
            None => None,
            // No other one comes to a host that is no member.
            Some(identity) if identity.join.is_out => None,
            Some(identity) => {
                let served = serve(&state, identity).await;
                state.seen().why_not = served.as_ref().err().cloned();
                served.ok()
            }
        };
        let is_retried = identity.is_some_and(|one| !one.join.is_out) && server.is_none();
        tokio::select! {
            changed = identities.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY_PAUSE), if is_retried => {}
        }
        if server.is_some() {
            // What is being answered is answered to its end: it may be what changed this.
            tokio::time::sleep(ANSWER_PAUSE).await;
        }
        drop(server);
    }
}

async fn serve(state: &Arc<State>, identity: &Arc<Identity>) -> Result<Server, String> {
    let at = identity.at();
    let cannot = |error: std::io::Error| format!("it cannot listen at {at}: {error}");
    let listener = TcpListener::bind(at).await.map_err(cannot)?;
    let admit = {
        let (state, identity) = (Arc::clone(state), Arc::clone(identity));
        move |tcp: TcpStream, from: SocketAddr| admit(Arc::clone(&state), Arc::clone(&identity), tcp, from)
    };
    let state = Arc::clone(state);
    let answer = move |host: String, request: Request<Incoming>| answer(Arc::clone(&state), host, request);
    Server::guarded(listener, LIMITS, admit, answer).map_err(cannot)
}

/// Who comes: the host whose certificate is shown from its own address.
async fn admit(
    state: Arc<State>,
    identity: Arc<Identity>,
    tcp: TcpStream,
    from: SocketAddr,
) -> Option<(Stream, String)> {
    let from = from.ip().to_canonical();
    let hosts: Vec<&str> = {
        let there = identity.join.peers.iter().filter(|peer| peer.address.to_canonical() == from);
        there.map(|peer| peer.host.as_str()).collect()
    };
    let Some(first) = hosts.first() else {
        state.note(&format!("refused: {from} is the address of no host of this cluster"));
        return None;
    };
    let (stream, shown) = match identity.tls.accept(tcp).await {
        Ok(accepted) => accepted,
        Err(error) => {
            state.note(&format!(
                "refused: what comes from {first} ({from}) is no agent of this cluster: {error}"
            ));
            return None;
        }
    };
    match hosts.iter().find(|host| shown.is_for(&name_of_host(host))) {
        Some(host) => Some((stream, (*host).to_owned())),
        None => {
            state.note(&format!("refused: the certificate that is shown from {from} is not that of {first}"));
            None
        }
    }
}

async fn answer(state: Arc<State>, host: String, request: Request<Incoming>) -> Answer {
    if request.uri().path() == relay::PATH && server::wants_stream(&request, relay::STREAM) {
        let (answer, stream) = server::stream_of(request, relay::STREAM);
        tokio::spawn(async move {
            if let Some(stream) = stream.await
                && let Err(why) = comes(&state, &host, stream).await
            {
                state.note(&format!("refused what {host} asks: {why}"));
            }
        });
        return answer;
    }
    let reply = match body::whole(request.into_body(), TALK_MAX).await {
        Ok(came) => replied(&state, &host, Came(came)).await,
        Err(error) => Err(error.to_string()),
    };
    let reply = reply.unwrap_or_else(|why| {
        state.note(&format!("refused what {host} asks: {why}"));
        Reply::Refused(why)
    });
    // Values are in base64: it is text.
    let text = write_reply(&reply);
    server::answer(StatusCode::OK, "application/json", String::from_utf8_lossy(&text).into_owned())
}

/// A member comes for layers, if a client has said that it may.
async fn comes(state: &State, host: &str, mut stream: Stream) -> Result<(), String> {
    state.greeted().await;
    if !state.identity().is_some_and(|one| one.join.peers.iter().any(|peer| peer.host == host)) {
        return Err(format!("{host} is no host of this cluster"));
    }
    match Frames::new(&mut stream, LIMITS.head).next().await {
        Ok(Frame::Come(transfer)) => state.board.come(&transfer, Comer { host: host.to_owned(), stream }),
        Ok(_) => Err("it does not say what it comes for".to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

async fn replied(state: &State, host: &str, came: Came) -> Result<Reply, String> {
    let asked = read_ask(&came.0)?;
    drop(came);
    if !matches!(asked, Ask::Hello { .. }) {
        // Which hosts are members may have changed while this one was off.
        state.greeted().await;
    }
    let identity = state.identity().filter(|one| one.join.peers.iter().any(|peer| peer.host == host));
    let identity = identity.ok_or_else(|| format!("{host} is no host of this cluster"))?;
    let number = identity.join.generation;
    let here = || Reply::Done(Here { list: number, ..Here::default() });
    let (keeper, words) = (&state.keeper, |refusal: Refusal| refusal.to_string());
    match asked {
        Ask::Hello { news: Some(list), .. } => {
            news::take(state, host, list).await;
            Ok(here())
        }
        Ask::Hello { list, news: None } => {
            // One that says no number knows of no lists.
            let news = identity.list.clone().filter(|own| list > 0 && list < own.number);
            let over = keeper.over_of(host).await.map_err(words)?;
            Ok(Reply::Done(Here { list: number, news, over }))
        }
        Ask::Has { digest, owners } => {
            let has = keeper.has_of(host, &digest, &owners).await.map_err(words)?;
            Ok(Reply::Has { has, list: number, parts: true })
        }
        Ask::Keep { digest, part, set } => {
            let part = part.unwrap_or(Part { at: 0, is_last: true });
            keeper.keep_of(host, &digest, part, set, state.now()).await.map(|()| here()).map_err(words)
        }
        Ask::Drop => keeper.drop_of(host).await.map(|()| here()).map_err(words),
        Ask::Give { begun, after } => {
            state.has_begun(host, begun);
            // One that names no part takes it as a whole.
            let bytes_max = if after.is_some() { PART_BYTES } else { usize::MAX };
            let kept = keeper.kept_part_of(host, &after.unwrap_or_default(), bytes_max).await;
            let (set, more) = kept.map_err(words)?;
            if !set.is_empty() {
                state.note(&format!("gave {host} the secrets of {} of its tasks", set.len()));
            }
            Ok(Reply::Given { set, more })
        }
    }
}
