//! A sink in memory, for tests of whoever records.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::{ChainHash, Receipt, RecordBody, Sink, SinkError, seal};

/// Keeps every record as parsed JSON; can be told to fail.
#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    records: Mutex<Vec<serde_json::Value>>,
    strict: Mutex<Vec<u64>>,
    failing: AtomicBool,
}

impl MemorySink {
    /// All records so far.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        self.records.lock().unwrap().clone()
    }

    /// The numbers of the records that were asked to be on the disk.
    pub(crate) fn strict(&self) -> Vec<u64> {
        self.strict.lock().unwrap().clone()
    }

    /// Makes every append fail, or succeed again.
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn append(&self, body: RecordBody) -> Result<Receipt, SinkError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(SinkError::Unwritable("told to fail".into()));
        }
        let mut records = self.records.lock().unwrap();
        records.push(serde_json::from_slice(body.as_bytes()).unwrap());
        let seq = records.len() as u64;
        Ok(Receipt { seq, hash: seal(&mut Vec::new(), seq, ChainHash::ZERO, &body) })
    }

    async fn append_strict(&self, body: RecordBody) -> Result<Receipt, SinkError> {
        let receipt = self.append(body)?;
        self.strict.lock().unwrap().push(receipt.seq);
        Ok(receipt)
    }

    fn is_writable(&self) -> bool {
        !self.failing.load(Ordering::SeqCst)
    }
}
