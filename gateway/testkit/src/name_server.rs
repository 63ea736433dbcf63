//! A name server that knows the TXT records it was told, on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

type Records = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Answers by UDP until it is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    records: Records,
    serving: JoinHandle<()>,
}

/// Seconds an answer may be kept.
const TTL: u32 = 60;

/// Largest question.
const DATAGRAM_BYTES_MAX: usize = 4_096;

impl NameServer {
    /// Starts one that knows nothing.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = socket.local_addr()?;
        let records = Records::default();
        let serving = tokio::spawn(serve(socket, Arc::clone(&records)));
        Ok(Self { address, records, serving })
    }

    /// Where it answers.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on `name` has these TXT records; without any there is no such name.
    pub fn set(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(name.to_ascii_lowercase(), texts);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: UdpSocket, records: Records) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let asked = buffer.get(..length).and_then(|bytes| Message::from_vec(bytes).ok());
        let answer = asked.and_then(|asked| answer(&asked, &records).to_vec().ok());
        if let Some(bytes) = answer {
            // Whoever asked may be gone.
            let _ = socket.send_to(&bytes, from).await;
        }
    }
}

fn answer(asked: &Message, records: &Records) -> Message {
    let mut answer = Message::response(asked.metadata.id, OpCode::Query);
    answer.metadata.recursion_available = true;
    let records = records.lock().unwrap_or_else(PoisonError::into_inner);
    for query in &asked.queries {
        answer.add_query(query.clone());
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let texts = records.get(&name).map(Vec::as_slice).unwrap_or_default();
        if texts.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        for text in texts.iter().filter(|_| query.query_type() == RecordType::TXT) {
            let data = RData::TXT(TXT::new(vec![text.clone()]));
            answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
        }
    }
    answer
}
