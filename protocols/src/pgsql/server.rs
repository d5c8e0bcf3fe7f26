//! What the messages of the server mean.

use super::backend::{self, Authentication, Proof};
use super::conversation::{Conversation, MAX_NAME, MAX_PARAMETERS, MAX_VALUE, Message, malformed};
use super::message::{cstring, printable};
use super::queue::Step;
use super::session::{Login, Status};
use super::transaction::Copy;
use crate::contract::Sink;
use crate::cursor::Cursor;

impl Conversation {
    /// A message of the server.
    pub fn server(&mut self, message: Message<'_>, out: &mut dyn Sink) -> Option<&'static str> {
        let body = message.body;
        let mut well_formed = true;
        match message.kind {
            b'R' => well_formed = self.authentication(body),
            b'K' => self.session.process_id = Cursor::new(body).u32_be().ok(),
            b'S' => match backend::pair(&mut Cursor::new(body)) {
                Some((name, value)) => self.parameter_status(name, value),
                None => well_formed = message.len > body.len(),
            },
            b'v' => self.session.negotiated_minor = Cursor::new(body).u32_be().ok().map(|version| version & 0xffff),
            b'Z' => {
                self.session.status = match body.first() {
                    Some(b'I') => Some(Status::Idle),
                    Some(b'T') => Some(Status::InTransaction),
                    Some(b'E') => Some(Status::Failed),
                    _ => None,
                };
                well_formed = self.session.status.is_some();
                self.exchanges.ready(&mut self.session, out);
            }
            b'1' => self.exchanges.done(Step::Parse, &self.session, out),
            b'2' => self.exchanges.done(Step::Bind, &self.session, out),
            b'3' => self.exchanges.done(Step::Close, &self.session, out),
            b'n' => self.exchanges.done(Step::Describe, &self.session, out),
            b'T' => {
                let (count, names) = backend::columns(body).unwrap_or_default();
                self.exchanges.described(count, names, &self.session, out);
            }
            b'D' => {
                if let Some(reply) = self.exchanges.reply() {
                    let values = usize::from(Cursor::new(body).u16_be().unwrap_or_default()) * 4 + 2;
                    reply.rows += 1;
                    reply.row_bytes += message.len.saturating_sub(values) as u64;
                }
            }
            b'C' => {
                let tag = cstring(&mut Cursor::new(body));
                well_formed = tag.is_some();
                self.exchanges.command(tag.map(|tag| printable(tag, MAX_NAME)), &self.session, out);
            }
            b'I' => self.exchanges.command(None, &self.session, out),
            b's' => {
                if let Some(reply) = self.exchanges.reply() {
                    reply.suspended = true;
                }
                self.exchanges.command(None, &self.session, out);
            }
            b'E' => {
                let (report, ends) = backend::report(body);
                well_formed = ends;
                self.exchanges.error(report, &mut self.session, out);
            }
            b'G' | b'H' | b'W' => {
                let columns = body.get(1..3).map_or(0, |columns| Cursor::new(columns).u16_be().unwrap_or_default());
                self.exchanges.copy(match message.kind {
                    b'G' => Copy::In(columns),
                    b'H' => Copy::Out(columns),
                    _ => Copy::Both,
                });
            }
            b'd' => {
                if let Some(reply) = self.exchanges.reply() {
                    reply.copy_out.messages += 1;
                    reply.copy_out.bytes += message.len as u64;
                }
            }
            b'V' => {
                if let Some(reply) = self.exchanges.reply() {
                    reply.returned = true;
                }
            }
            _ => {}
        }
        malformed(message, well_formed)
    }

    fn authentication(&mut self, body: &[u8]) -> bool {
        match backend::authentication(body) {
            Some(Proof::Accepted) => {
                self.session.login = Some(Login::Accepted);
                self.session.authentication.get_or_insert(Authentication::None);
            }
            Some(Proof::Asked(authentication)) => self.session.authentication = Some(authentication),
            Some(Proof::Continued) => {}
            Some(Proof::Unknown) | None => return false,
        }
        true
    }

    fn parameter_status(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = (printable(name, MAX_NAME), printable(value, MAX_VALUE));
        let parameters = &mut self.session.server_parameters;
        if let Some((_, known)) = parameters.iter_mut().find(|(known, _)| *known == name) {
            *known = value;
        } else if parameters.len() < MAX_PARAMETERS {
            parameters.push((name, value));
        }
    }
}
