//! Streams of [MS-NRBF] and messages of [MS-NRTP] around them, written from the specifications. What has the shape of an attack in
//! them is inert: names of types with harmless members.

/// [MS-NRBF] 2.6.1 with the ids that formatters write.
pub const HEADER: [u8; 17] = [0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0];

/// A text behind its length (2.1.1.6).
#[must_use]
pub fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut len = value.len();
    while len > 0x7f {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(value.as_bytes());
    out
}

/// A member or an element.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text with an id of its own (2.5.7).
    Text(String),
    /// A reference (2.5.3).
    Reference(i32),
    /// Nothing (2.5.4).
    Null,
    /// Any record or value, already written.
    Raw(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Writes one stream.
#[derive(Clone, Debug)]
pub struct Stream {
    bytes: Vec<u8>,
    next: i32,
}

impl Default for Stream {
    fn default() -> Self {
        Self { bytes: HEADER.to_vec(), next: 1_000 }
    }
}

impl Stream {
    /// Any bytes.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(value) => {
                self.next += 1;
                self.bytes.push(6);
                self.bytes.extend(self.next.to_le_bytes());
                self.bytes.extend(text(value));
            }
            Value::Reference(id) => {
                self.bytes.push(9);
                self.bytes.extend(id.to_le_bytes());
            }
            Value::Null => self.bytes.push(10),
            Value::Raw(bytes) => self.bytes.extend_from_slice(bytes),
        }
    }

    /// A library (2.6.2).
    #[must_use]
    pub fn library(mut self, id: i32, name: &str) -> Self {
        self.bytes.push(12);
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend(text(name));
        self
    }

    /// An object whose members are records: of a library (2.3.2.2), or of the runtime's own (2.3.2.4).
    #[must_use]
    pub fn object(mut self, id: i32, class: &str, library: Option<i32>, members: &[(&str, Value)]) -> Self {
        self.bytes.push(if library.is_some() { 3 } else { 2 });
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend(text(class));
        self.bytes.extend((members.len() as i32).to_le_bytes());
        for (name, _) in members {
            self.bytes.extend(text(name));
        }
        if let Some(library) = library {
            self.bytes.extend(library.to_le_bytes());
        }
        for (_, value) in members {
            self.value(value);
        }
        self
    }

    /// A text that stands for itself (2.5.7).
    #[must_use]
    pub fn text(mut self, id: i32, value: &str) -> Self {
        self.bytes.push(6);
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend(text(value));
        self
    }

    /// An array of texts (2.4.3.4) or objects (2.4.3.2).
    #[must_use]
    pub fn array(mut self, id: i32, of_texts: bool, elements: &[Value]) -> Self {
        self.bytes.push(if of_texts { 17 } else { 16 });
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend((elements.len() as i32).to_le_bytes());
        for element in elements {
            self.value(element);
        }
        self
    }

    /// An array of bytes (2.4.3.3).
    #[must_use]
    pub fn bytes(mut self, id: i32, bytes: &[u8]) -> Self {
        self.bytes.push(15);
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend((bytes.len() as i32).to_le_bytes());
        self.bytes.push(2);
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A call with its arguments as texts (2.2.3.1), or with those of the array that follows.
    #[must_use]
    pub fn call(mut self, method: &str, class: &str, arguments: Option<&[&str]>) -> Self {
        self.bytes.push(21);
        let flags: i32 = match arguments {
            Some([]) => 0x11,
            Some(_) => 0x12,
            None => 0x14,
        };
        self.bytes.extend(flags.to_le_bytes());
        for name in [method, class] {
            self.bytes.push(18);
            self.bytes.extend(text(name));
        }
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
            self.bytes.extend((arguments.len() as i32).to_le_bytes());
            for argument in arguments {
                self.bytes.push(18);
                self.bytes.extend(text(argument));
            }
        }
        self
    }

    /// A return with a text, or without anything (2.2.3.3).
    #[must_use]
    pub fn returned(mut self, value: Option<&str>) -> Self {
        self.bytes.push(22);
        let flags: i32 = if value.is_some() { 0x811 } else { 0x611 };
        self.bytes.extend(flags.to_le_bytes());
        if let Some(value) = value {
            self.bytes.push(18);
            self.bytes.extend(text(value));
        }
        self
    }

    /// A return of an exception, which follows in an array.
    #[must_use]
    pub fn exception(mut self, class: &str) -> Self {
        self.bytes.push(22);
        self.bytes.extend(0x2011_i32.to_le_bytes());
        self.array(1, false, &[Value::Reference(2)]).object(2, class, None, &[("Message", "no".into())])
    }

    /// The end (2.6.3).
    #[must_use]
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.push(11);
        self.bytes
    }
}

/// Operations of [MS-NRTP] 2.2.3.1.1.
pub mod operation {
    /// An answer follows.
    pub const REQUEST: u16 = 0;
    /// None does.
    pub const ONE_WAY: u16 = 1;
    /// The answer.
    pub const REPLY: u16 = 2;
}

/// A text in a header ([MS-NRTP] 2.2.3.2.1), as UTF-8.
#[must_use]
pub fn counted(value: &str) -> Vec<u8> {
    [&[1], &(value.len() as i32).to_le_bytes()[..], value.as_bytes()].concat()
}

/// Headers of a request: its URI and the binary formatter's content type.
#[must_use]
pub fn request_headers(uri: &str) -> Vec<u8> {
    [&[4, 0, 1], counted(uri).as_slice(), &[6, 0, 1], &counted("application/octet-stream"), &[0, 0]].concat()
}

/// A message whose content has a length.
#[must_use]
pub fn message(operation: u16, headers: &[u8], content: &[u8]) -> Vec<u8> {
    let [low, high] = operation.to_le_bytes();
    let len = (content.len() as i32).to_le_bytes();
    [b".NET\x01\0".as_slice(), &[low, high, 0, 0], &len, headers, content].concat()
}

/// The same with content in chunks of so many bytes.
#[must_use]
pub fn chunked(operation: u16, headers: &[u8], content: &[u8], size: usize) -> Vec<u8> {
    let [low, high] = operation.to_le_bytes();
    let mut out = [b".NET\x01\0".as_slice(), &[low, high, 1, 0], headers].concat();
    for chunk in content.chunks(size) {
        out.extend((chunk.len() as i32).to_le_bytes());
        out.extend_from_slice(chunk);
        out.extend(b"\r\n");
    }
    out.extend(b"\0\0\0\0\r\n");
    out
}

/// A request over TCP.
#[must_use]
pub fn request(uri: &str, content: &[u8]) -> Vec<u8> {
    message(operation::REQUEST, &request_headers(uri), content)
}

/// A reply over TCP.
#[must_use]
pub fn reply(content: &[u8]) -> Vec<u8> {
    message(operation::REPLY, &[0, 0], content)
}

/// A reply that says that the request failed.
#[must_use]
pub fn failure(phrase: &str) -> Vec<u8> {
    let headers = [&[2, 0, 3, 1, 0, 3, 0, 1], counted(phrase).as_slice(), &[5, 0, 0, 0, 0]].concat();
    message(operation::REPLY, &headers, &[])
}

/// An object of a type, with a harmless text in it.
#[must_use]
pub fn inert(class: &str, library: &str) -> Vec<u8> {
    Stream::default().library(2, library).object(1, class, Some(2), &[("text", "harmless".into())]).end()
}

/// A call that brings a remote object: what a client writes that wants to be called back. Its address stands behind the references to it.
#[must_use]
pub fn callback(channel: &str, object: &str) -> Vec<u8> {
    Stream::default()
        .call("Subscribe", "Lab.IServer, Lab", None)
        .array(1, false, &[Value::Reference(2)])
        .object(
            2,
            "System.Runtime.Remoting.ObjRef",
            None,
            &[
                ("uri", object.into()),
                ("typeInfo", Value::Null),
                ("envoyInfo", Value::Null),
                ("channelInfo", Value::Reference(3)),
            ],
        )
        .object(3, "System.Runtime.Remoting.ChannelInfo", None, &[("channelData", Value::Reference(4))])
        .array(4, false, &[Value::Reference(5)])
        .object(
            5,
            "System.Runtime.Remoting.Channels.ChannelDataStore",
            None,
            &[("_channelURIs", Value::Reference(6)), ("_extraData", Value::Null)],
        )
        .array(6, true, &[channel.into()])
        .end()
}

/// A remote object of which nothing is said but its address.
#[must_use]
pub fn bare_reference(url: &str) -> Vec<u8> {
    Stream::default().object(1, "System.Runtime.Remoting.ObjRef", None, &[("url", url.into())]).end()
}
