//! What an association knows: its contexts, how it is protected, and who speaks.

use std::collections::BTreeMap;

use super::anomaly;
use super::auth::Verifier;
use super::bind::{Context, Syntax};
use super::transaction::Interface;
use crate::smb::Identity;
use crate::smb::security;

/// Contexts of an association, and security contexts of it.
const MAX_CONTEXTS: usize = 256;
const MAX_SECURITY: usize = 32;

/// What carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// A connection of its own.
    #[default]
    Tcp,
    /// A named pipe of SMB, by its name.
    Pipe(String),
    /// A channel of ncacn_http.
    Http,
}

/// How much a verifier protects ([MS-RPCE] 2.2.1.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl Level {
    /// Each fragment is signed.
    pub const INTEGRITY: Self = Self(5);
    /// Arguments and results are encrypted.
    pub const PRIVACY: Self = Self(6);
}

/// A security context, as the client set it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Security {
    kind: u8,
    level: Level,
}

/// An association.
#[derive(Debug, Default)]
pub struct Association {
    /// What carries it.
    pub carrier: Carrier,
    /// Who the client says it is.
    pub identity: Identity,
    /// The virtual connection of ncacn_http that its channel is of ([MS-RPCH] 2.2.4).
    pub connection: Option<u128>,
    contexts: BTreeMap<u16, Context>,
    security: BTreeMap<u32, Security>,
    /// The one that was set up last.
    latest: Option<Security>,
}

impl Association {
    pub(super) fn new(carrier: Carrier) -> Self {
        Self { carrier, ..Self::default() }
    }

    /// Who authenticates ([MS-RPCE] 2.2.1.1.7), where anybody does.
    #[must_use]
    pub fn auth_type(&self) -> Option<u8> {
        self.latest.map(|security| security.kind)
    }

    /// How much is protected, by the security context that was set up last.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.latest.map(|security| security.level)
    }

    /// Bytes held, about.
    pub(super) fn held(&self) -> usize {
        self.contexts.len() * size_of::<Context>() + self.security.len() * 32
    }

    /// A verifier of a bind, alter_context or auth3 sets up a security context. One that is set up with another level stays as it is
    /// until the server agrees: who asks for more may be refused, and go on as before.
    pub(super) fn authenticate(&mut self, verifier: &Verifier<'_>) {
        self.identity.learn(&security::parse(verifier.token));
        if self.level_of(verifier.context).is_none_or(|known| known.0 == verifier.level) {
            self.agree(verifier);
        }
    }

    /// The server's verifier of a bind_ack or alter_context_resp.
    pub(super) fn agree(&mut self, verifier: &Verifier<'_>) {
        let security = Security { kind: verifier.kind, level: Level(verifier.level) };
        if self.security.len() >= MAX_SECURITY && !self.security.contains_key(&verifier.context) {
            self.security.pop_first();
        }
        self.security.insert(verifier.context, security);
        self.latest = Some(security);
    }

    /// A bind was seen and agreed to.
    pub(super) fn is_bound(&self) -> bool {
        !self.contexts.is_empty()
    }

    /// A bind was agreed to, and none set up any security context: nothing can be sealed.
    pub(super) fn is_open(&self) -> bool {
        self.is_bound() && self.security.is_empty()
    }

    /// The level of a security context.
    pub(super) fn level_of(&self, context: u32) -> Option<Level> {
        self.security.get(&context).map(|security| security.level)
    }

    /// The server accepted a context.
    pub(super) fn accept(&mut self, context: Context) -> Result<(), &'static str> {
        if self.contexts.len() >= MAX_CONTEXTS && !self.contexts.contains_key(&context.id) {
            return Err(anomaly::CONTEXT_LIMIT);
        }
        self.contexts.insert(context.id, context);
        Ok(())
    }

    /// What calls with a context's id are of.
    pub(super) fn context(&self, id: u16) -> Option<(Interface, Option<Syntax>)> {
        self.contexts.get(&id).map(meaning)
    }
}

/// The interface and syntax of a context.
pub(super) fn meaning(context: &Context) -> (Interface, Option<Syntax>) {
    (Interface { uuid: context.interface, version: context.version, assumed: false }, context.syntax())
}
