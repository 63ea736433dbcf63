//! One connection to the recording upstream: reads, records, answers or misbehaves.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;

use super::reader::Reader;
use super::{Answer, Behaviour, Recorded, Shared};
use crate::websocket::{Frame, Opcode, accept_value, parse_frame};

/// A stream whose TCP socket can be told to reset.
pub(super) trait Resettable {
    /// The next close sends RST instead of FIN.
    fn reset_on_close(&self);
}

impl Resettable for TcpStream {
    fn reset_on_close(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Resettable for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        let _ = self.get_ref().0.set_zero_linger();
    }
}

/// Serves requests until the peer or the behaviour ends the connection.
pub(super) async fn serve<S>(stream: S, number: usize, shared: &Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Resettable,
{
    let mut reader = Reader::new(stream, number, Arc::clone(shared));
    while let Some(head) = reader.head().await? {
        if matches!(shared.behaviour(), Behaviour::HangAfterHead) {
            shared.record(head_alone(head, number));
            // Nothing is answered, but what still comes is kept, until the peer gives up.
            while reader.fill().await? {}
            return Ok(());
        }
        let request = reader.request(head).await?;
        shared.record(request.clone());
        if !request.complete || !answer(&mut reader, &request, shared).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn head_alone(head: Vec<u8>, connection: usize) -> Recorded {
    let head_text = String::from_utf8_lossy(&head).into_owned();
    Recorded { connection, bytes: head, head_text, body: Vec::new(), complete: false }
}

const HALF_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789";
const INVALID_CONTENT_LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc";

/// Answers one request; `false` ends the connection.
async fn answer<S>(
    reader: &mut Reader<S>,
    request: &Recorded,
    shared: &Arc<Shared>,
) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin + Resettable,
{
    let written = match shared.behaviour() {
        Behaviour::Answer(answer) => return well_behaved(reader, request, &answer, shared).await,
        Behaviour::HalfAnswer => HALF_ANSWER.into(),
        Behaviour::InvalidContentLength => INVALID_CONTENT_LENGTH.into(),
        Behaviour::Raw(bytes) => bytes,
        Behaviour::ResetAfterRequest | Behaviour::ResetAfterAccept => {
            reader.stream().reset_on_close();
            return Ok(false);
        }
        Behaviour::CloseAfterAccept | Behaviour::CloseAfterRequest | Behaviour::HangAfterHead => {
            Vec::new()
        }
    };
    reader.stream().write_all(&written).await?;
    reader.stream().shutdown().await?;
    Ok(false)
}

async fn well_behaved<S>(
    reader: &mut Reader<S>,
    request: &Recorded,
    answer: &Answer,
    shared: &Arc<Shared>,
) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if request.field("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        let _open = shared.opened_stream();
        echo(reader, request).await?;
        return Ok(false);
    }
    if request.field("accept").is_some_and(|value| value.contains("text/event-stream")) {
        let _open = shared.opened_stream();
        events(reader, shared).await?;
        return Ok(false);
    }
    let to_head = request.request_line().starts_with("HEAD ");
    reader.stream().write_all(&answer.encode(to_head)).await?;
    let closes = request.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    Ok(!closes)
}

/// RFC 6455: accepts the WebSocket and sends every message back.
async fn echo<S>(reader: &mut Reader<S>, request: &Recorded) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accept = accept_value(request.field("sec-websocket-key").unwrap_or_default());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    reader.stream().write_all(head.as_bytes()).await?;
    let mut pending = reader.take_buffer();
    loop {
        while let Some((frame, used)) = parse_frame(&pending) {
            pending.drain(..used);
            let reply = match frame.opcode {
                Opcode::Ping => Frame { opcode: Opcode::Pong, payload: frame.payload },
                Opcode::Pong => continue,
                Opcode::Text | Opcode::Binary | Opcode::Close => frame,
            };
            reader.stream().write_all(&reply.encode(None)).await?;
            if reply.opcode == Opcode::Close {
                return Ok(());
            }
        }
        if !reader.fill().await? {
            return Ok(());
        }
        pending.extend(reader.take_buffer());
    }
}

/// Serves a chunked event stream: `open` at once, then whatever the test emits.
async fn events<S>(reader: &mut Reader<S>, shared: &Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut emitted = shared.events.subscribe();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
        Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
    reader.stream().write_all(head).await?;
    reader.stream().write_all(&event_chunk("open")).await?;
    loop {
        tokio::select! {
            event = emitted.recv() => match event {
                Ok(data) => reader.stream().write_all(&event_chunk(&data)).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            more = reader.fill() => if !more? { return Ok(()) },
        }
    }
}

fn event_chunk(data: &str) -> Vec<u8> {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
