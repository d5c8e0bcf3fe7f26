//! What an HTTP conversation says.

use backstop_types::{Direction, Fields};

use super::head::Head;
use crate::contract::{FilePart, FileState};
pub use crate::nmf::Stage;

/// Words in the names of parameters of a query whose values are secrets.
const SECRET_PARAMETERS: [&str; 10] =
    ["password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "access_key", "signature", "session_id"];

/// One request with its response, a part of a body, or the mark of HTTP/2.
#[derive(Clone, Copy, Debug)]
pub enum Transaction<'a> {
    /// A stage of a request and its response.
    Exchange(Exchange<'a>),
    /// The next part of a body.
    Body(Part<'a>),
    /// The next part of a file in a form (RFC 7578), before the part of the body that it stands in.
    Upload(Upload<'a>),
    /// A range of a file, whole: others of the same file may come over other connections.
    Range(RangePart<'a>),
    /// The client speaks HTTP/2 from here on, which is not read.
    Http2 {
        /// Number within the flow.
        tx_id: u64,
    },
}

/// A stage of a request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Number within the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// The request; `None` where it was not seen.
    pub request: Option<&'a Request>,
    /// Its whole head, at [`Stage::Requested`].
    pub request_head: Option<&'a Head>,
    /// The response, at [`Stage::Answered`]: its body is over, or as over as it will be.
    pub response: Option<&'a Response>,
    /// Its whole head, at [`Stage::Answered`].
    pub response_head: Option<&'a Head>,
}

/// What is kept of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Target as sent, no more than 8 KiB.
    pub target: String,
    /// Minor version of HTTP/1.
    pub minor: u8,
    /// Host without its port.
    pub host: Option<String>,
    /// The port of Host.
    pub port: Option<u16>,
    /// User-Agent.
    pub user_agent: Option<String>,
    /// Referer.
    pub referer: Option<String>,
    /// X-Forwarded-For.
    pub forwarded_for: Option<String>,
    /// Content-Type.
    pub content_type: Option<String>,
    /// Its body.
    pub body: BodyFacts,
}

/// What is kept of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Minor version of HTTP/1.
    pub minor: u8,
    /// Content-Type.
    pub content_type: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// Server.
    pub server: Option<String>,
    /// Content-Range.
    pub range: Option<ContentRange>,
    /// What the connection was given over to.
    pub upgrade: Option<String>,
    /// Its body.
    pub body: BodyFacts,
}

/// A body that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Bytes without chunking, codings still there.
    pub bytes: u64,
    /// Bytes with the codings undone.
    pub decoded: u64,
    /// It is whole: its end was seen, and nothing was missing.
    pub complete: bool,
}

/// Content-Range (RFC 9110 §14.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentRange {
    /// As sent, bounded.
    pub raw: String,
    /// First and last byte.
    pub span: Option<(u64, u64)>,
    /// The length of the whole.
    pub size: Option<u64>,
}

impl ContentRange {
    /// From the field's value.
    pub fn parse(value: &[u8]) -> Self {
        let raw = super::head::text(value, 128);
        let span_and_size = raw.strip_prefix("bytes").map(str::trim_start).and_then(|rest| rest.split_once('/'));
        let (span, size) = span_and_size.unwrap_or_default();
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|_| !text.trim().starts_with('+'));
        let span = span.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
        let size = number(size);
        Self { span: span.filter(|(first, last)| first <= last && size.is_none_or(|size| *last < size)), size, raw }
    }
}

/// How far a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// More follows.
    More,
    /// This was the last part.
    Complete,
    /// No more follows, but it is not all of it.
    Truncated,
}

/// A part of a body with its codings undone: what a file is made of.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The exchange it belongs to.
    pub tx_id: u64,
    /// Who sent it.
    pub direction: Direction,
    /// The name that Content-Disposition or the target has, bounded.
    pub name: Option<&'a str>,
    /// How the bytes came about: `["http.body", "chunked", "gzip"]`.
    pub layers: &'a [&'static str],
    /// Where they begin. More than the end of the part before: bytes are missing.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether more follows.
    pub state: PartState,
    /// The body is a part of a larger file.
    pub range: Option<&'a ContentRange>,
}

/// A part of a file in a body of `multipart/form-data`.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// Number of the file in its body, from 0.
    pub number: u32,
    /// The part; its offset counts from where the file begins.
    pub part: Part<'a>,
}

/// A range of a file that came whole (RFC 9110 §14.4), of a file no longer than what is put together.
#[derive(Clone, Copy, Debug)]
pub struct RangePart<'a> {
    /// The exchange it belongs to.
    pub tx_id: u64,
    /// Who sent it.
    pub direction: Direction,
    /// The name that Content-Disposition or the target has, bounded.
    pub name: Option<&'a str>,
    /// Host, target and entity tag: ranges of one file agree in it.
    pub of: &'a str,
    /// Where in the file it begins.
    pub start: u64,
    /// The size of the file.
    pub size: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// With it all ranges have come over this connection, and the file was told as one body.
    pub joined: bool,
}

impl RangePart<'_> {
    fn fields(&self) -> Fields {
        Fields::new().with("start", self.start).with("length", self.bytes.len()).with("size", self.size)
    }
}

impl Exchange<'_> {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if let Some(request) = self.request {
            fields.set_some("hostname", request.host.clone());
            fields.set_some("http_port", request.port);
            fields.set("url", mask_target(&request.target));
            fields.set_some("http_user_agent", request.user_agent.clone());
            fields.set_some("xff", request.forwarded_for.clone());
        }
        let response = self.response;
        fields.set_some("http_content_type", response.and_then(|response| response.content_type.clone()));
        if let Some(request) = self.request {
            fields.set_some("http_refer", request.referer.as_deref().map(mask_target));
            fields.set("http_method", request.method.clone());
        }
        let minor = self.request.map(|request| request.minor).or(response.map(|response| response.minor));
        fields.set_some("protocol", minor.map(|minor| format!("HTTP/1.{minor}")));
        if let Some(response) = response {
            fields.set("status", response.status);
            fields.set_some("redirect", response.location.as_deref().map(mask_target));
            if let Some(range) = &response.range {
                let mut object = Fields::new().with("raw", range.raw.clone());
                object.set_some("start", range.span.map(|(start, _)| start));
                object.set_some("end", range.span.map(|(_, end)| end));
                object.set_some("size", range.size);
                fields.set("content_range", object);
            }
            fields.set("length", response.body.bytes);
        }
        fields
    }
}

impl Part<'_> {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("offset", self.offset).with("size", self.bytes.len());
        fields.set_some("filename", self.name.map(str::to_owned));
        fields.set("direction", self.direction.as_str());
        fields.set(
            "state",
            match self.state {
                PartState::More => "MORE",
                PartState::Complete => "CLOSED",
                PartState::Truncated => "TRUNCATED",
            },
        );
        fields
    }
}

/// Secrets in a target are not for records: the user's part of an authority, and values of parameters that are named so.
#[must_use]
pub fn mask_target(target: &str) -> String {
    let (before, query) = target.split_once('?').map_or((target, None), |(before, query)| (before, Some(query)));
    let mut masked = match before.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let host = authority.rsplit_once('@');
            let authority = host.map_or(authority.to_owned(), |(_, host)| format!("***@{host}"));
            format!("{scheme}://{authority}{path}")
        }
        None => before.to_owned(),
    };
    let Some(query) = query else { return masked };
    for (number, pair) in query.split('&').enumerate() {
        masked.push(if number == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                masked.push_str(name);
                masked.push_str("=***");
            }
            _ => masked.push_str(pair),
        }
    }
    masked
}

fn is_secret(name: &str) -> bool {
    let name = name.get(..64).unwrap_or(name).to_ascii_lowercase();
    SECRET_PARAMETERS.iter().any(|word| name.contains(word))
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Exchange(exchange) => Some(exchange.tx_id),
            Self::Body(part) => Some(part.tx_id),
            Self::Upload(upload) => Some(upload.part.tx_id),
            Self::Range(part) => Some(part.tx_id),
            Self::Http2 { tx_id } => Some(*tx_id),
        }
    }

    /// The decoded facts: of an exchange what Suricata's `http` object allows, without credentials.
    #[must_use]
    pub fn fields(&self) -> Fields {
        match self {
            Self::Exchange(exchange) => exchange.fields(),
            Self::Body(part) => part.fields(),
            Self::Upload(upload) => upload.part.fields().with("upload", u64::from(upload.number)),
            Self::Range(part) => part.fields(),
            Self::Http2 { .. } => Fields::new().with("protocol", "HTTP/2").with("version", "2"),
        }
    }

    /// A body is a file, and so are those in a form. A part of a larger one (`Content-Range`) is none, the parts put together are.
    #[must_use]
    pub fn file_part(&self) -> Option<FilePart<'_>> {
        let to_server = |part: &Part<'_>| u64::from(part.direction == Direction::ToServer);
        let (part, key) = match self {
            Self::Body(part) if part.range.is_none() => {
                let joined = u64::from(part.layers.contains(&"http.range"));
                (part, part.tx_id << 2 | joined << 1 | to_server(part))
            }
            // Apart from those of bodies, whatever their number.
            Self::Upload(Upload { number, part }) => {
                let number = u64::from(*number) & 0xffff;
                (part, 1 << 63 | (part.tx_id << 17 & !(1 << 63)) | number << 1 | to_server(part))
            }
            _ => return None,
        };
        let state = match part.state {
            PartState::More => FileState::More,
            PartState::Complete => FileState::Complete,
            PartState::Truncated => FileState::Truncated,
        };
        Some(FilePart {
            key,
            tx_id: Some(part.tx_id),
            direction: part.direction,
            name: part.name,
            layers: part.layers,
            offset: part.offset,
            bytes: part.bytes,
            size: None,
            state,
        })
    }

    /// Whether a record is written: when an exchange is over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.stage != Stage::Requested,
            Self::Body(_) | Self::Upload(_) | Self::Range(_) => false,
            Self::Http2 { .. } => true,
        }
    }
}
