//! What a TDS conversation says. Its records are in `fields`.

use super::login::Login;
use super::prelogin::{Encryption, Prelogin};
use super::reply::Reply;
use super::request::{Kind, Statement};

/// A stage of a session, of its login, or of a request.
#[derive(Clone, Debug)]
pub enum Transaction<'a> {
    /// The exchange before the login is over, and what becomes of encryption is known as far as it will be. Told once.
    Session(&'a Session),
    /// A stage of the login.
    Login(LoginExchange<'a>),
    /// A stage of a request.
    Request(Request<'a>),
}

/// How far a login or a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is decoded, its outcome not known. A login with SSPI is told again when the client said who it is.
    Seen,
    /// The reply is decoded.
    Answered,
    /// The stream ended, or bytes are missing: no reply will be seen.
    Unanswered,
}

/// What is known of a session by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// What the client said first.
    pub client: Option<Prelogin>,
    /// What the server answered.
    pub server: Option<Prelogin>,
    /// What becomes of encryption.
    pub encryption: Encryption,
    /// TLS records inside PRELOGIN packets, both directions.
    pub handshake_records: u64,
    /// TLS records that followed on the stream and were passed over here, both directions.
    pub tls_records: u64,
    /// Version in use, once the server told it; before that the one the client asked for.
    pub tds_version: Option<u32>,
    /// The server's software and its version.
    pub program: Option<String>,
    /// User: of a SQL login, or `DOMAIN\user` of NTLM.
    pub user: Option<String>,
    /// The client's machine as it calls itself.
    pub host: Option<String>,
    /// The client's program.
    pub application: Option<String>,
    /// Database in use now.
    pub database: Option<String>,
    /// The login succeeded, or not.
    pub logged_in: Option<bool>,
    /// Packet size in use.
    pub packet_size: Option<u32>,
}

impl Session {
    /// The version as it is spoken of, `7.4`.
    #[must_use]
    pub fn version_name(&self) -> Option<&'static str> {
        self.tds_version.and_then(super::connection::version_name)
    }
}

/// A login and its outcome.
#[derive(Clone, Copy, Debug)]
pub struct LoginExchange<'a> {
    /// Number among logins and requests of the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// What the client said; `None` where TLS hides it.
    pub login: Option<&'a Login>,
    /// The reply, at [`Stage::Answered`]. The login succeeded if there is a [`Reply::login_ack`].
    pub reply: Option<&'a Reply>,
    /// The session, the outcome of this login included.
    pub session: &'a Session,
}

/// A request and its reply.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Number among logins and requests of the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// What it is.
    pub kind: Kind,
    /// Multiplexed session ([MC-SMP]), if there are such.
    pub smp_session: Option<u16>,
    /// What the server is to do: a batch, or the calls of an RPC. All of it at [`Stage::Seen`]; later perhaps the beginning.
    pub statements: &'a [Statement],
    /// Bytes of the message, without headers. Of a bulk load, and of what is told at a cap, those so far.
    pub bytes: u64,
    /// Bytes are missing or were left out.
    pub truncated: bool,
    /// The reply, at [`Stage::Answered`].
    pub reply: Option<&'a Reply>,
    /// The session as it was before the reply.
    pub session: &'a Session,
}

impl Request<'_> {
    /// The SQL texts of the request, whatever carried them.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().filter_map(|statement| statement.text.as_deref())
    }
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Session(_) => None,
            Self::Login(login) => Some(login.tx_id),
            Self::Request(request) => Some(request.tx_id),
        }
    }

    /// Whether a record is written: sessions, and logins and requests that are over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Session(_) => true,
            Self::Login(login) => login.stage != Stage::Seen,
            Self::Request(request) => request.stage != Stage::Seen,
        }
    }
}
