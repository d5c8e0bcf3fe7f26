//! Requests find their replies: one at a time in a session ([MS-TDS] 3.2.5), an attention beside it.

use std::collections::VecDeque;

use backstop_types::Direction;

use super::connection::Connection;
use super::login::Login;
use super::ntlm;
use super::reply::Reply;
use super::request::{Kind, Statement};
use super::rpc;
use super::transaction::{LoginExchange, Request, Stage, Transaction};
use super::value::Value;
use crate::contract::{Content, Sink};

/// What is kept of a text when many requests wait, and of how many statements.
const SHORT: usize = 1_024;
const FEW: usize = 4;
/// A binary value of fewer bytes holds nothing to look for.
const MIN_BINARY: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Login { hidden: bool },
    Request(Kind),
}

#[derive(Debug)]
struct Pending {
    tx_id: u64,
    what: What,
    statements: Vec<Statement>,
    bytes: u64,
    truncated: bool,
    /// Bytes held.
    size: usize,
}

impl Pending {
    const fn is_login(&self) -> bool {
        matches!(self.what, What::Login { .. })
    }

    fn is_attention(&self) -> bool {
        self.what == What::Request(Kind::Attention)
    }

    fn measure(&mut self) {
        self.size = self.statements.iter().map(Statement::size).sum();
    }
}

/// A request as it was decoded.
#[derive(Debug)]
pub struct Decoded {
    pub kind: Kind,
    pub statements: Vec<Statement>,
    /// Bytes of the message.
    pub bytes: u64,
    pub truncated: bool,
}

/// The requests of one session that wait for their replies.
#[derive(Default)]
pub struct Exchanges {
    pending: VecDeque<Pending>,
    /// The multiplexed session.
    pub sid: Option<u16>,
    /// No replies will come.
    closed: bool,
}

impl Exchanges {
    /// Nothing waits.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// A request was decoded, or as much of it as will be.
    pub fn request(&mut self, conn: &mut Connection, decoded: Decoded, out: &mut dyn Sink) {
        conn.tell_session(out);
        let Decoded { kind, mut statements, bytes, truncated } = decoded;
        for statement in &mut statements {
            recall(conn, statement);
        }
        let (tx_id, what) = (conn.number(), What::Request(kind));
        let mut pending = Pending { tx_id, what, statements, bytes, truncated, size: 0 };
        tell(conn, self.sid, &pending, Stage::Seen, None, out);
        offer(conn, &pending, out);
        pending.measure();
        if conn.held.saturating_add(pending.size) > 2 * conn.limits.max_message {
            pending.truncated |= pending.statements.len() > FEW;
            pending.statements.truncate(FEW);
            pending.statements.iter_mut().for_each(|statement| statement.cut(SHORT));
            pending.statements.shrink_to_fit();
            pending.measure();
        }
        self.wait(conn, pending, out);
    }

    /// LOGIN7 was read; `None`: it is inside TLS.
    pub fn login(&mut self, conn: &mut Connection, login: Option<Login>, out: &mut dyn Sink) {
        let hidden = login.is_none();
        if hidden && std::mem::replace(&mut conn.hidden_login, true) {
            return;
        }
        if let Some(login) = login {
            conn.logs_in(login);
        }
        conn.tell_session(out);
        let (tx_id, what) = (conn.number(), What::Login { hidden });
        let pending = Pending { tx_id, what, statements: Vec::new(), bytes: 0, truncated: false, size: 0 };
        tell(conn, self.sid, &pending, Stage::Seen, None, out);
        self.wait(conn, pending, out);
    }

    /// The client goes on with SSPI.
    pub fn sspi(&mut self, conn: &mut Connection, token: &[u8], out: &mut dyn Sink) {
        let sspi = ntlm::parse(token);
        let Some(principal) = sspi.principal() else { return };
        conn.session.user = Some(principal);
        if conn.session.host.is_none() {
            conn.session.host.clone_from(&sspi.workstation);
        }
        if let Some(login) = &mut conn.login {
            login.sspi = Some(sspi);
        }
        if let Some(pending) = self.pending.iter().find(|pending| pending.is_login()) {
            tell(conn, self.sid, pending, Stage::Seen, None, out);
        }
    }

    /// A reply is over.
    pub fn reply(&mut self, conn: &mut Connection, reply: &Reply, out: &mut dyn Sink) {
        if reply.complete {
            conn.confirm(out);
        }
        if reply.attention {
            // Whatever was going on is stopped, and the attention itself is answered.
            let attention = self.pending.iter().position(Pending::is_attention);
            for _ in 0..attention.map_or(1, |at| at + 1) {
                self.answer(conn, 0, reply, out);
            }
            return conn.apply(reply);
        }
        let Some(at) = self.pending.iter().position(|pending| !pending.is_attention()) else { return conn.apply(reply) };
        if self.pending.get(at).is_some_and(Pending::is_login) {
            conn.apply(reply);
            if reply.continues && reply.login_ack.is_none() && reply.ok().is_none() {
                return;
            }
            if reply.login_ack.is_none() && reply.ok() == Some(false) {
                conn.session.logged_in = Some(false);
            }
            return self.answer(conn, at, reply, out);
        }
        self.answer(conn, at, reply, out);
        conn.apply(reply);
    }

    /// The replies to what waits are lost.
    pub fn give_up(&mut self, conn: &mut Connection, out: &mut dyn Sink) {
        while let Some(pending) = self.pending.pop_front() {
            release(conn, &pending);
            tell(conn, self.sid, &pending, Stage::Unanswered, None, out);
        }
    }

    /// The server's side has ended.
    pub fn close(&mut self, conn: &mut Connection, out: &mut dyn Sink) {
        self.closed = true;
        self.give_up(conn, out);
    }

    fn wait(&mut self, conn: &mut Connection, pending: Pending, out: &mut dyn Sink) {
        conn.held += pending.size;
        conn.waiting += 1;
        self.pending.push_back(pending);
        if self.closed {
            self.give_up(conn, out);
        } else if conn.waiting > conn.limits.max_pending
            && let Some(oldest) = self.pending.pop_front()
        {
            release(conn, &oldest);
            tell(conn, self.sid, &oldest, Stage::Unanswered, None, out);
        }
    }

    fn answer(&mut self, conn: &mut Connection, at: usize, reply: &Reply, out: &mut dyn Sink) {
        let Some(pending) = self.pending.remove(at) else { return };
        release(conn, &pending);
        remember(conn, &pending, reply);
        tell(conn, self.sid, &pending, Stage::Answered, Some(reply), out);
    }
}

fn release(conn: &mut Connection, pending: &Pending) {
    conn.held = conn.held.saturating_sub(pending.size);
    conn.waiting = conn.waiting.saturating_sub(1);
}

/// A call that prepares returns its handle first.
fn remember(conn: &mut Connection, pending: &Pending, reply: &Reply) {
    for (call, statement) in pending.statements.iter().enumerate() {
        if statement.procedure_id.is_some_and(rpc::prepares)
            && let Some(text) = &statement.text
            && let Some(value) = reply.return_values.iter().find(|value| value.call == call)
            && let Some(Value::Int(handle)) = value.value
        {
            conn.handles.prepared(handle, text);
        }
    }
}

/// A prepared statement gets its text.
fn recall(conn: &mut Connection, statement: &mut Statement) {
    let Some(Value::Int(handle)) = statement.parameters.first().map(|parameter| &parameter.value) else { return };
    match statement.procedure_id {
        Some(rpc::SP_EXECUTE | rpc::SP_CURSOREXECUTE) => {
            if let Some(text) = conn.handles.text(*handle) {
                statement.text = Some(text.to_owned());
                statement.prepared = true;
            }
        }
        Some(rpc::SP_UNPREPARE | rpc::SP_CURSORUNPREPARE) => conn.handles.forget(*handle),
        _ => {}
    }
}

fn tell(conn: &Connection, sid: Option<u16>, pending: &Pending, stage: Stage, reply: Option<&Reply>, out: &mut dyn Sink) {
    let (tx_id, session) = (pending.tx_id, &conn.session);
    let told = match pending.what {
        What::Login { hidden } => {
            let login = conn.login.as_ref().filter(|_| !hidden);
            Transaction::Login(LoginExchange { tx_id, stage, login, reply, session })
        }
        What::Request(kind) => Transaction::Request(Request {
            tx_id,
            stage,
            kind,
            smp_session: sid,
            statements: &pending.statements,
            bytes: pending.bytes,
            truncated: pending.truncated,
            reply,
            session,
        }),
    };
    out.transaction(&crate::Transaction::Tds(told));
}

/// Texts, and binary values, for the scanner.
fn offer(conn: &Connection, pending: &Pending, out: &mut dyn Sink) {
    let direction = conn.client.unwrap_or(Direction::ToServer);
    let mut offer = |bytes: &[u8], layers: &[&'static str]| {
        if !bytes.is_empty() {
            out.content(Content { bytes, layers, direction, tx_id: Some(pending.tx_id) });
        }
    };
    for statement in &pending.statements {
        if statement.procedure.is_none() {
            offer(statement.text.as_deref().unwrap_or_default().as_bytes(), &["tds.batch"]);
        }
        for parameter in &statement.parameters {
            match &parameter.value {
                Value::Text { text, .. } => offer(text.as_bytes(), &["tds.rpc"]),
                Value::Binary { head, .. } if head.len() >= MIN_BINARY => offer(head, &["tds.rpc"]),
                _ => {}
            }
        }
    }
}
