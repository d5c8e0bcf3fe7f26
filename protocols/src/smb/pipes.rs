//! DCE/RPC in named pipes: a stream for each that is open.

use std::collections::VecDeque;

use backstop_types::Direction;

use super::anomaly;
use super::command::Command;
use super::connection::{Connection, Moved};
use super::transaction::{File, Rpc, Transaction};
use crate::contract::{Anomaly, Content, Sink};
use crate::dcerpc::{self, Carrier, Out, Stream};
use crate::registry::{self, AppProto};

/// Pipes that are read at once.
const MAX_PIPES: usize = 128;
/// Bytes of one that holds nothing, about.
const PIPE: usize = 1_024;

/// A pipe.
struct Pipe {
    /// Number of the file.
    number: u64,
    stream: Stream,
    /// The command by which the client speaks into it.
    command: Command,
}

/// All of a connection, the one that was used last at the end.
#[derive(Default)]
pub struct Pipes {
    pipes: VecDeque<Pipe>,
    /// One was forgotten: what looks new may go on.
    forgot: bool,
}

impl Pipes {
    /// Bytes held, about.
    pub fn held(&self) -> usize {
        self.pipes.iter().map(|pipe| PIPE + pipe.stream.held()).sum()
    }

    fn take(&mut self, number: u64) -> Option<Pipe> {
        let at = self.pipes.iter().position(|pipe| pipe.number == number)?;
        self.pipes.remove(at)
    }
}

/// Where the results of a pipe's stream go: with what is known of the pipe.
struct Outward<'a> {
    conn: &'a Connection,
    number: u64,
    file: &'a File,
    command: Command,
    out: &'a mut dyn Sink,
}

impl Out for Outward<'_> {
    fn transaction(&mut self, rpc: &dcerpc::Transaction<'_>) {
        let (tree_key, conn) = (self.conn.tree_of(self.number), self.conn);
        let session_id = tree_key.map_or(0, |key| conn.session_of(key));
        let rpc = Rpc {
            negotiated: &conn.negotiated,
            command: self.command,
            session_id,
            session: conn.sessions.get(&session_id),
            tree_id: tree_key.map(|(_, number)| number),
            tree: tree_key.and_then(|key| conn.tree(key)),
            file: self.file,
            rpc: *rpc,
        };
        self.out.transaction(&registry::Transaction::Smb(Transaction::Rpc(rpc)));
    }

    fn anomaly(&mut self, event: &'static str, direction: Direction) {
        self.out.anomaly(Anomaly { app_proto: AppProto::Dcerpc, event, direction });
    }

    fn content(&mut self, bytes: &[u8], direction: Direction, tx_id: Option<u64>) {
        self.out.content(Content { bytes, layers: &["smb.pipe", "dcerpc.stub"], direction, tx_id });
    }
}

impl Connection {
    /// Bytes of an open pipe, in their order.
    pub fn pipe_data(&mut self, number: u64, moved: &Moved, bytes: &[u8], direction: Direction, out: &mut dyn Sink) {
        let known = self.pipes.take(number);
        let Some(file) = self.file(number) else { return };
        let mut pipe = match known {
            Some(pipe) => pipe,
            None => {
                let mut stream = Stream::new(Carrier::Pipe(file.name.clone()), &self.limits);
                if self.lossy || self.pipes.forgot {
                    stream.lose();
                }
                Pipe { number, stream, command: self.usual_command() }
            }
        };
        if moved.written {
            pipe.command = moved.command;
        }
        let (tx_id, command) = (moved.tx_id, pipe.command);
        pipe.stream.push(direction, bytes, tx_id, &mut Outward { conn: self, number, file, command, out });
        self.pipes.pipes.push_back(pipe);
        self.forget_pipes(direction, out);
    }

    /// Those that were not used for the longest time make room.
    fn forget_pipes(&mut self, direction: Direction, out: &mut dyn Sink) {
        let mut held = self.pipes.held();
        while self.pipes.pipes.len() > 1 && (self.pipes.pipes.len() > MAX_PIPES || held > self.limits.max_buffer) {
            // What is no DCE/RPC goes first.
            let at = self.pipes.pipes.iter().position(|pipe| pipe.stream.is_foreign()).unwrap_or_default();
            let Some(pipe) = self.pipes.pipes.remove(at) else { return };
            held -= PIPE + pipe.stream.held();
            self.pipes.forgot = true;
            self.report(direction, anomaly::STATE_LIMIT, out);
            self.end_pipe(pipe, out);
        }
    }

    /// Bytes of an open pipe are missing.
    pub fn pipe_gap(&mut self, number: u64, direction: Direction, out: &mut dyn Sink) {
        let Some(mut pipe) = self.pipes.take(number) else { return };
        if let Some(file) = self.file(number) {
            let command = pipe.command;
            pipe.stream.gap(direction, &mut Outward { conn: self, number, file, command, out });
        }
        self.pipes.pipes.push_back(pipe);
    }

    /// Whole messages of a direction may be missing: any pipe's may be among them.
    pub fn lose_pipes(&mut self, direction: Direction, out: &mut dyn Sink) {
        for mut pipe in std::mem::take(&mut self.pipes.pipes) {
            let (number, command) = (pipe.number, pipe.command);
            if let Some(file) = self.file(number) {
                pipe.stream.lose_message(direction, &mut Outward { conn: self, number, file, command, out });
            }
            self.pipes.pipes.push_back(pipe);
        }
    }

    /// A pipe is closed.
    pub fn close_pipe(&mut self, number: u64, out: &mut dyn Sink) {
        if let Some(pipe) = self.pipes.take(number) {
            self.end_pipe(pipe, out);
        }
    }

    fn end_pipe(&self, mut pipe: Pipe, out: &mut dyn Sink) {
        let (number, command) = (pipe.number, pipe.command);
        if let Some(file) = self.file(number) {
            pipe.stream.end(&mut Outward { conn: self, number, file, command, out });
        }
    }
}
