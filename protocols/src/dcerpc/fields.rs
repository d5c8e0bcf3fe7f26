//! Records: Suricata's objects `dcerpc` and `smb.dcerpc`; and what alerts tell besides.

use backstop_types::{Fields, Value};

use super::association::Carrier;
use super::bind::{Bind, BindEnd, Context, Syntax};
use super::calls;
use super::fragments::Part;
use super::names::{auth_name, fault_name};
use super::transaction::{End, Exchange, Interface, Told, Transaction};

impl Transaction<'_> {
    /// Suricata's object `dcerpc`: of TCP as its schema has it, and of a pipe what stands in `smb.dcerpc`.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let pipe = matches!(self.association.carrier, Carrier::Pipe(_));
        let mut fields = Fields::new();
        let (call_id, minor) = match self.told {
            Told::Bind(bind) => {
                of_bind(&mut fields, bind, pipe);
                (bind.call_id, bind.minor)
            }
            Told::Call(call) => {
                of_call(&mut fields, call, pipe);
                (call.call_id, call.minor)
            }
        };
        fields.set("call_id", call_id);
        if !pipe {
            fields.set("rpc_version", format!("5.{minor}"));
        }
        fields
    }

    /// What an alert tells of it: names, arguments, protection, whose it is.
    #[must_use]
    pub fn context(&self) -> Fields {
        let mut fields = Fields::new();
        match self.told {
            Told::Bind(bind) => {
                fields.set("interfaces", bind.contexts.iter().map(|context| offered(context).into()).collect::<Vec<Value>>());
                fields.set_some("secondary_address", bind.address.clone());
            }
            Told::Call(call) => about_call(&mut fields, call),
        }
        let association = self.association;
        if let Carrier::Pipe(name) = &association.carrier {
            fields.set("pipe", name.clone());
        }
        fields.set_some("virtual_connection", association.connection.map(uuid));
        let mut auth = Fields::new();
        auth.set_some("type", association.auth_type().and_then(auth_name));
        let level = match self.told {
            Told::Call(call) => call.request.as_ref().and_then(|part| part.level),
            Told::Bind(_) => None,
        };
        auth.set_some("level", level.or_else(|| association.level()).and_then(|level| level.name()));
        let identity = &association.identity;
        auth.set_some("domain", identity.domain.clone());
        auth.set_some("user", identity.user.clone());
        auth.set_some("workstation", identity.host.clone());
        auth.set_some("realm", identity.realm.clone());
        if !auth.is_empty() {
            fields.set("auth", auth);
        }
        fields
    }
}

fn of_bind(fields: &mut Fields, bind: &Bind, pipe: bool) {
    fields.set(
        "request",
        match (bind.seen, bind.alters) {
            (false, _) => "REQUEST_LOST",
            (true, false) => "BIND",
            (true, true) => "ALTER_CONTEXT",
        },
    );
    let response = match bind.end {
        None => unanswered(pipe),
        Some(BindEnd::Ack) if bind.alters => "ALTER_CONTEXT_RESP",
        Some(BindEnd::Ack) => "BINDACK",
        Some(BindEnd::Nak(_)) => "BINDNAK",
        Some(BindEnd::Fault(_)) => "FAULT",
    };
    fields.set("response", response);
    let interfaces = bind.contexts.iter().map(|context| {
        let mut fields = interface(context.interface, context.version);
        fields.set_some("ack_result", context.negotiated.map(|negotiated| negotiated.result));
        if pipe {
            fields.set_some("ack_reason", context.negotiated.map(|negotiated| negotiated.reason));
        }
        Value::from(fields)
    });
    let interfaces: Vec<Value> = interfaces.collect();
    if !interfaces.is_empty() {
        fields.set("interfaces", interfaces);
    }
}

fn of_call(fields: &mut Fields, call: &Exchange, pipe: bool) {
    fields.set("request", if call.request.is_some() { "REQUEST" } else { "REQUEST_LOST" });
    fields.set(
        "response",
        match call.end {
            Some(End::Response) => "RESPONSE",
            Some(End::Fault(_)) => "FAULT",
            Some(End::Orphaned) | None => unanswered(pipe),
        },
    );
    if pipe {
        fields.set_some("opnum", call.opnum);
    }
    if let Some(part) = &call.request {
        let mut req = Fields::new();
        if !pipe {
            req.set_some("opnum", call.opnum);
        }
        fields.set("req", sizes(req, part));
    }
    if let (Some(part), Some(End::Response)) = (&call.response, call.end) {
        fields.set("res", sizes(Fields::new(), part));
    }
    if let Some(Interface { uuid, version, .. }) = call.interface {
        let mut interface = interface(uuid, version);
        interface.set_some("procedure", call.operation());
        fields.set("interfaces", vec![Value::from(interface)]);
    }
}

/// What Suricata writes where no answer was seen.
const fn unanswered(pipe: bool) -> &'static str {
    if pipe { "UNREPLIED" } else { "RESPONSE_LOST" }
}

fn sizes(fields: Fields, part: &Part) -> Fields {
    fields.with("frag_cnt", part.fragments).with("stub_data_size", part.len)
}

fn interface(of: u128, (major, minor): (u16, u16)) -> Fields {
    let mut fields = Fields::new().with("uuid", uuid(of)).with("version", format!("{major}.{minor}"));
    fields.set_some("service", calls::interface_name(of));
    fields
}

fn offered(context: &Context) -> Fields {
    let mut fields = interface(context.interface, context.version);
    fields.set("syntaxes", context.offered.iter().map(|syntax| syntax_name(*syntax).into()).collect::<Vec<Value>>());
    if let Some(negotiated) = context.negotiated {
        fields.set("result", negotiated.result);
        fields.set("reason", negotiated.reason);
        fields.set_some("syntax", negotiated.syntax.map(syntax_name));
    }
    fields
}

fn syntax_name(syntax: Syntax) -> String {
    match syntax {
        Syntax::Ndr => "ndr".to_owned(),
        Syntax::Ndr64 => "ndr64".to_owned(),
        Syntax::Features(bits) => format!("features {bits:#x}"),
        Syntax::Other(other, _) => uuid(other),
    }
}

fn about_call(fields: &mut Fields, call: &Exchange) {
    if let Some(Interface { uuid: of, version: (major, minor), assumed }) = call.interface {
        fields.set_some("interface", calls::interface_name(of));
        fields.set("uuid", uuid(of));
        fields.set("version", format!("{major}.{minor}"));
        if assumed {
            fields.set("assumed", true);
        }
    }
    fields.set_some("operation", call.operation());
    fields.set_some("opnum", call.opnum);
    fields.set("call_id", call.call_id);
    fields.set_some("object", call.object.map(uuid));
    fields.set_some("syntax", call.marshalling.map(|how| if how.ndr64 { "ndr64" } else { "ndr" }));
    if call.marshalling.is_some_and(|how| !how.little) {
        fields.set("big_endian", true);
    }
    for (name, holds) in [("sealed", call.is_sealed()), ("truncated", call.is_truncated()), ("cancelled", call.cancelled)] {
        if holds {
            fields.set(name, true);
        }
    }
    for (name, of) in [
        ("arguments", call.call.as_ref().map(|call| call.fields())),
        ("results", call.reply.as_ref().map(|reply| reply.fields())),
    ] {
        fields.set_some(name, of.filter(|fields| !fields.is_empty()));
    }
    match call.end {
        Some(End::Fault(status)) => {
            fields.set("fault", fault_name(status).map_or_else(|| format!("{status:#010x}").into(), std::borrow::Cow::Borrowed));
        }
        Some(End::Orphaned) => {
            fields.set("orphaned", true);
        }
        Some(End::Response) | None => {}
    }
}

/// A UUID as text, of the number that it is.
#[must_use]
pub fn uuid(uuid: u128) -> String {
    let text = format!("{uuid:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default()).join("-")
}
