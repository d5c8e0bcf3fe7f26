//! Looks at what HTTP says on its way out, and says what of it is WinRM.

use backstop_types::Direction;

use super::exchange::Exchanges;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::http;
use crate::registry::{AppProto, Transaction};

/// What is known of one connection. Nothing but a pointer until something on it may be WinRM.
#[derive(Default)]
pub struct Follower(Option<Box<Exchanges>>);

impl Follower {
    /// A sink that passes everything on, and what is WinRM besides. `direction`: whose bytes are being read.
    pub fn watch<'a>(&'a mut self, direction: Direction, limits: &'a Limits, out: &'a mut dyn Sink) -> Watch<'a> {
        Watch { follower: self, direction, limits, out }
    }

    /// Bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.as_ref().map_or(0, |exchanges| exchanges.held())
    }
}

/// See [`Follower::watch`].
pub struct Watch<'a> {
    follower: &'a mut Follower,
    direction: Direction,
    limits: &'a Limits,
    out: &'a mut dyn Sink,
}

impl Watch<'_> {
    /// No more comes of either direction.
    pub fn close(&mut self) {
        if let Some(exchanges) = &mut self.follower.0 {
            exchanges.close(self.limits, self.out);
        }
    }

    fn look(&mut self, of: &http::Transaction<'_>) {
        match of {
            http::Transaction::Exchange(exchange) => match exchange.stage {
                http::Stage::Requested => {
                    let (Some(request), Some(head)) = (exchange.request, exchange.request_head) else { return };
                    if self.follower.0.is_some() || Exchanges::concerns(request) {
                        let exchanges = self.follower.0.get_or_insert_default();
                        exchanges.requested(self.direction, exchange.tx_id, request, head, self.limits, self.out);
                    }
                }
                http::Stage::Answered | http::Stage::Unanswered => {
                    if let Some(exchanges) = &mut self.follower.0 {
                        exchanges.over(exchange, self.limits, self.out);
                    }
                }
            },
            http::Transaction::Body(part) => {
                if let Some(exchanges) = &mut self.follower.0 {
                    exchanges.body(part, self.limits, self.out);
                }
            }
            http::Transaction::Http2 { .. } | http::Transaction::Range(_) | http::Transaction::Upload(_) => {}
        }
    }
}

impl Sink for Watch<'_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        let of = if let Transaction::Http(of) = transaction { Some(of) } else { None };
        // What a body says is known before the body itself: whoever looks at it as a file knows what was told already.
        let before = of.filter(|of| matches!(of, http::Transaction::Body(_)));
        if let Some(of) = before {
            self.look(of);
        }
        self.out.transaction(transaction);
        if let Some(of) = of.filter(|_| before.is_none()) {
            self.look(of);
        }
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.out.anomaly(anomaly);
    }
    fn content(&mut self, content: Content<'_>) {
        self.out.content(content);
    }
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        self.out.plaintext(direction, bytes);
    }
    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.out.plaintext_gap(direction, len);
    }
    fn plaintext_end(&mut self, direction: Direction) {
        self.out.plaintext_end(direction);
    }
    fn enter(&mut self, direction: Direction, unconsumed: usize) {
        self.out.enter(direction, unconsumed);
    }
    fn leave(&mut self) {
        self.out.leave();
    }
    fn unwrapped(&mut self, direction: Direction, bytes: &[u8]) {
        self.out.unwrapped(direction, bytes);
    }
    fn unwrapped_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.out.unwrapped_gap(direction, len);
    }
    fn unwrapped_end(&mut self, direction: Direction) {
        self.out.unwrapped_end(direction);
    }
    fn confirmed(&mut self, app_proto: AppProto) {
        self.out.confirmed(app_proto);
    }
    fn in_sync(&mut self, app_proto: AppProto, direction: Direction, in_sync: bool) {
        self.out.in_sync(app_proto, direction, in_sync);
    }
}
