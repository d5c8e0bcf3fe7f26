//! Standard input that can be left: a read that waits for a silent pipe must not hold up the end of the program.

use std::io::{Read, Stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// How long a wait goes on before the stop flag is looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Bytes of standard input, read by a thread of its own; after a stop they end.
pub struct Interruptible {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    current: Vec<u8>,
    used: usize,
    /// A chunk is given in part.
    begun: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// Tells whether bytes are there without reading them.
pub struct Readiness {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    begun: Arc<AtomicBool>,
}

impl Readiness {
    /// Whether a read would not wait, after a short while at the most.
    pub fn is_ready(&self) -> bool {
        let pause = Duration::from_millis(1);
        for _ in 0..10 {
            if self.begun.load(Ordering::Relaxed) || !self.chunks.is_empty() {
                return true;
            }
            std::thread::sleep(pause);
        }
        false
    }
}

impl Interruptible {
    /// Starts to read.
    pub fn new(mut from: Stdin, stop: Arc<AtomicBool>) -> Self {
        let (sender, chunks) = bounded(4);
        // Left alone when the program ends: it waits in a system call that nothing else can end.
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let answer = match from.read(&mut chunk) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Ok(len) => {
                        chunk.truncate(len);
                        Ok(chunk)
                    }
                    Err(error) => Err(error),
                };
                let more = answer.as_ref().is_ok_and(|chunk| !chunk.is_empty());
                if sender.send(answer).is_err() || !more {
                    return;
                }
            }
        });
        Self { chunks, current: Vec::new(), used: 0, begun: Arc::default(), stop }
    }

    /// Asks for bytes beside the reader.
    pub fn readiness(&self) -> Readiness {
        Readiness { chunks: self.chunks.clone(), begun: Arc::clone(&self.begun) }
    }
}

impl Read for Interruptible {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.used >= self.current.len() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(0);
            }
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => {
                    self.current = chunk?;
                    self.used = 0;
                    if self.current.is_empty() {
                        return Ok(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let rest = self.current.get(self.used..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.used += len;
        self.begun.store(self.used < self.current.len(), Ordering::Relaxed);
        Ok(len)
    }
}
