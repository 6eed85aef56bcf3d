//! Small answers of logs, read up to a limit.

use super::{Log, OnlineError, TIME_LIMIT};
use crate::sign::reach;

/// No checkpoint, tile or proof is larger; an entry of Rekor v1 holds a whole envelope.
const ANSWER_LIMIT: usize = 32 << 20;

impl Log<'_> {
    /// `GET`s a path of the log.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, OnlineError> {
        let address = format!("{}{path}", self.address);
        let failed = |reason: String| OnlineError::Unreachable { address: address.clone(), reason };
        let answer = async {
            let mut response =
                self.client.get(&address).send().await.map_err(|error| failed(reach::words(&error)))?;
            if !response.status().is_success() {
                return Err(failed(format!("it answers {}", response.status())));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| failed(reach::words(&error)))? {
                if body.len() + chunk.len() > ANSWER_LIMIT {
                    return Err(failed(format!("its answer is larger than {ANSWER_LIMIT} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        match tokio::time::timeout(TIME_LIMIT, answer).await {
            Ok(result) => result,
            Err(_) => Err(failed(format!("no answer within {} s", TIME_LIMIT.as_secs()))),
        }
    }

    /// `GET`s a text.
    pub(super) async fn get_text(&self, path: &str) -> Result<String, OnlineError> {
        let bytes = self.get(path).await?;
        String::from_utf8(bytes).map_err(|_| self.unreachable(format!("{path} is not UTF-8")))
    }
}
