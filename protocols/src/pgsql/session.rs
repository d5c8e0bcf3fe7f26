//! What is known of a session.

use backstop_types::{Fields, Value};

use super::backend::{Authentication, Report};

/// How the login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// AuthenticationOk, and no error behind it.
    Accepted,
    /// An error; [`Session::error`] says which.
    Refused,
}

/// What wraps the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS after an SSLRequest (55.2.10).
    Tls,
    /// GSSAPI after a GSSENCRequest (55.2.11).
    Gss,
}

/// State of the server's transaction (55.7 ReadyForQuery).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `I`: in none.
    Idle,
    /// `T`: in one.
    InTransaction,
    /// `E`: in one that failed.
    Failed,
}

/// What is known of a session. Texts are bounded; no password, proof or key is ever in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Major and minor protocol version that the client asked for.
    pub version: Option<(u16, u16)>,
    /// Newest minor version of the server, where it does not know the client's (55.7 NegotiateProtocolVersion).
    pub negotiated_minor: Option<u32>,
    /// Parameters of the StartupMessage in their order, `user` and `database` among them.
    pub parameters: Vec<(String, String)>,
    /// Encryption that the server agreed to.
    pub encryption: Option<Encryption>,
    /// What the server asked for.
    pub authentication: Option<Authentication>,
    /// SASL mechanism that the client chose.
    pub mechanism: Option<String>,
    /// The client sent a password or a proof; it was passed over.
    pub proof_sent: bool,
    /// How the login ended.
    pub login: Option<Login>,
    /// Why it was refused.
    pub error: Option<Report>,
    /// ParameterStatus, the newest value of each.
    pub server_parameters: Vec<(String, String)>,
    /// Process of the server (BackendKeyData; its key is passed over).
    pub process_id: Option<u32>,
    /// The last ReadyForQuery.
    pub status: Option<Status>,
}

impl Session {
    /// A parameter of the StartupMessage.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    /// A parameter that the server reports.
    #[must_use]
    pub fn server_parameter(&self, name: &str) -> Option<&str> {
        find(&self.server_parameters, name)
    }

    /// The role that logs in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.parameter("user")
    }

    /// The database; without one it is the user's name (55.7 StartupMessage).
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.parameter("database").filter(|database| !database.is_empty()).or_else(|| self.user())
    }

    /// The application's name, as the server reports it or else as the client asked.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.server_parameter("application_name").or_else(|| self.parameter("application_name"))
    }

    pub(super) fn request_fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("protocol_version", self.version.map(|(major, minor)| format!("{major}.{minor}")));
        let mut parameters = Fields::new();
        parameters.set_some("user", self.user().map(str::to_owned));
        let others = self.parameters.iter().filter(|(name, _)| name != "user");
        let others = others.map(|(name, value)| Value::Object(one(name.clone(), value))).collect::<Vec<_>>();
        if !others.is_empty() {
            parameters.set("optional_parameters", others);
        }
        if !parameters.is_empty() {
            fields.set("startup_parameters", parameters);
        }
        fields.set_some("sasl_authentication_mechanism", self.mechanism.clone());
        if self.proof_sent {
            fields.set("password_redacted", true);
        }
        fields
    }

    pub(super) fn response_fields(&self) -> Fields {
        let mut fields = self.error.as_ref().map(Report::fields).unwrap_or_default();
        if self.login == Some(Login::Accepted) {
            fields.set("message", "authentication_ok");
        }
        if !self.server_parameters.is_empty() {
            let status = self.server_parameters.iter().map(|(name, value)| Value::Object(one(snake_case(name), value)));
            fields.set("parameter_status", status.collect::<Vec<_>>());
        }
        fields.set_some("process_id", self.process_id);
        fields
    }
}

fn one(name: String, value: &str) -> Fields {
    let mut fields = Fields::new();
    fields.set(name, value.to_owned());
    fields
}

fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// `DateStyle` is `date_style` in EVE.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_ascii_lowercase();
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

impl Report {
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in [
            ("severity_localizable", &self.severity_localized),
            ("severity_non_localizable", &self.severity_plain),
            ("code", &self.code),
            ("message", &self.message),
            ("file", &self.file),
            ("line", &self.line),
            ("routine", &self.routine),
        ] {
            if !value.is_empty() {
                fields.set(name, value.clone());
            }
        }
        fields
    }
}
