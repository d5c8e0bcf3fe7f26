//! Records: Suricata's object `smb`, bounded and without any secret.

use backstop_types::Fields;

use super::command::{Command, code1, code2};
use super::create::{DELETE_ON_CLOSE, DIRECTORY};
use super::names::{disposition_name, function_name, info_class, info_level, status_name, trans2_name};
use super::transaction::{Asked, Encrypted, Exchange, File, Negotiated, Rpc, Session, ShareType, Transaction, Tree};

impl Transaction<'_> {
    /// The decoded facts: what Suricata's `smb` object allows. Data of files and pipes has `filename`, `share`, `size` (bytes
    /// of the piece), and no more.
    #[must_use]
    pub fn fields(&self) -> Fields {
        match self {
            Self::Exchange(exchange) => of_exchange(exchange),
            Self::File(data) => of_data(data.file, data.tx_id, data.bytes),
            Self::Pipe(data) => of_data(data.file, data.tx_id, data.bytes),
            Self::Rpc(rpc) => of_rpc(rpc),
            Self::Encrypted(encrypted) => of_encrypted(encrypted),
        }
    }
}

fn of_exchange(exchange: &Exchange<'_>) -> Fields {
    let mut fields = Fields::new().with("id", exchange.tx_id);
    fields.set_some("dialect", exchange.negotiated.dialect.clone());
    fields.set("command", exchange.command.name());
    if let Some(status) = exchange.status {
        fields.set("status", status_name(status));
        fields.set("status_code", format!("{status:#x}"));
    }
    fields.set("session_id", exchange.session_id);
    fields.set("tree_id", exchange.tree_id.unwrap_or_default());
    let kind = match exchange.command {
        Command::Smb2(code2::NEGOTIATE) | Command::Smb1(code1::NEGOTIATE) => {
            set_negotiated(&mut fields, exchange.negotiated);
            return fields;
        }
        Command::Smb2(code2::SESSION_SETUP) | Command::Smb1(code1::SESSION_SETUP_ANDX) => Kind::Setup,
        Command::Smb2(code2::CREATE) | Command::Smb1(code1::NT_CREATE_ANDX | code1::OPEN_ANDX) => Kind::Create,
        Command::Smb2(_) | Command::Smb1(_) => Kind::Other,
    };
    set_session(&mut fields, exchange.session, Some(exchange.asked), kind == Kind::Setup);
    set_tree(&mut fields, exchange.tree, exchange.asked);
    set_file(&mut fields, exchange.file, exchange.asked, kind == Kind::Create);
    set_asked(&mut fields, exchange);
    fields
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Setup,
    Create,
    Other,
}

fn set_negotiated(fields: &mut Fields, negotiated: &Negotiated) {
    if !negotiated.offered.is_empty() {
        fields.set("client_dialects", negotiated.offered.clone());
    }
    fields.set_some("client_guid", negotiated.client_guid.clone());
    fields.set_some("server_guid", negotiated.server_guid.clone());
    fields.set_some("max_read_size", negotiated.max_read);
    fields.set_some("max_write_size", negotiated.max_write);
}

fn set_session(fields: &mut Fields, session: Option<&Session>, asked: Option<&Asked>, setup: bool) {
    // A login that failed has no session.
    let told = asked.map(|asked| &asked.identity).filter(|identity| identity.is_known());
    if let Some(identity) = told.or_else(|| session.map(|session| &session.identity)) {
        let mut ntlmssp = Fields::new();
        ntlmssp.set_some("domain", identity.domain.clone());
        ntlmssp.set_some("user", identity.user.clone());
        ntlmssp.set_some("host", identity.host.clone());
        ntlmssp.set_some("version", identity.version.clone());
        if !ntlmssp.is_empty() {
            fields.set("ntlmssp", ntlmssp);
        }
        if let Some(realm) = &identity.realm {
            let mut kerberos = Fields::new().with("realm", realm.clone());
            if !identity.service.is_empty() {
                kerberos.set("snames", identity.service.clone());
            }
            fields.set("kerberos", kerberos);
        }
    }
    let Some(session) = session.filter(|_| setup) else { return };
    for (name, [system, program]) in [("request", &session.client_native), ("response", &session.server_native)] {
        let mut native = Fields::new();
        native.set_some("native_os", system.clone());
        native.set_some("native_lm", program.clone());
        if !native.is_empty() {
            fields.set(name, native);
        }
    }
}

fn set_tree(fields: &mut Fields, tree: Option<&Tree>, asked: &Asked) {
    fields.set_some("share", tree.map(|tree| tree.share.clone()).or_else(|| asked.share.clone()));
    let kind = tree.and_then(|tree| tree.kind).map(|kind| match kind {
        ShareType::Disk => "FILE",
        ShareType::Pipe => "PIPE",
        ShareType::Print => "PRINT",
    });
    fields.set_some("share_type", kind);
    let mut service = Fields::new();
    let [request, response] = &asked.service;
    service.set_some("request", request.clone());
    service.set_some("response", response.clone());
    if !service.is_empty() {
        fields.set("service", service);
    }
}

fn set_file(fields: &mut Fields, file: Option<&File>, asked: &Asked, create: bool) {
    let name = file.map(|file| &file.name).or(asked.filename.as_ref());
    if let Some(name) = name {
        let shown = if name.is_empty() { "<share_root>".to_owned() } else { name.clone() };
        let directory = create && asked.options.is_some_and(|options| options & DIRECTORY != 0);
        fields.set(if directory { "directory" } else { "filename" }, shown);
    }
    let Some(file) = file else { return };
    if file.pipe {
        fields.set("named_pipe", file.name.clone());
    }
    fields.set_some("fuid", file.id.map(|id| guid(&id)));
}

fn set_asked(fields: &mut Fields, exchange: &Exchange<'_>) {
    let asked = exchange.asked;
    fields.set_some(
        "disposition",
        asked
            .disposition
            .map(|number| disposition_name(number).map_or_else(|| format!("{number:#x}").into(), std::borrow::Cow::Borrowed)),
    );
    if let Some(options) = asked.options {
        fields.set("access", if options & DELETE_ON_CLOSE != 0 { "delete on close" } else { "normal" });
    }
    if let Some(times) = &asked.times {
        for (name, at) in
            [("created", times.created), ("accessed", times.accessed), ("modified", times.modified), ("changed", times.changed)]
        {
            fields.set(name, at);
        }
        fields.set_some("size", exchange.file.and_then(|file| file.size));
    } else {
        fields.set_some("size", asked.length);
    }
    if let Some(to) = &asked.rename_to {
        let from = exchange.file.map(|file| file.name.clone()).or_else(|| asked.filename.clone()).unwrap_or_default();
        fields.set("rename", Fields::new().with("from", from).with("to", to.clone()));
    }
    if let Some((class, level)) = asked.info {
        let mut info = Fields::new();
        info.set_some("class", info_class(class));
        info.set("info_level", info_level(class, level));
        fields.set("set_info", info);
    }
    fields.set_some("function", asked.function.map(function_name));
    if let Some(subcommand) = asked.subcommand {
        let name = if exchange.command == Command::Smb1(code1::TRANSACTION2) {
            trans2_name(subcommand)
        } else {
            format!("{subcommand:#06x}").into()
        };
        fields.set("subcmd", name);
    }
}

fn of_data(file: Option<&File>, tx_id: Option<u64>, bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("id", tx_id);
    fields.set_some("share", file.and_then(|file| file.share.clone()));
    fields.set_some("filename", file.map(|file| file.name.clone()));
    fields.set_some("fuid", file.and_then(|file| file.id).map(|id| guid(&id)));
    fields.with("size", bytes.len())
}

fn of_rpc(rpc: &Rpc<'_>) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("id", rpc.rpc.tx_id);
    fields.set_some("dialect", rpc.negotiated.dialect.clone());
    fields.set("command", rpc.command.name());
    fields.set("session_id", rpc.session_id);
    fields.set("tree_id", rpc.tree_id.unwrap_or_default());
    set_session(&mut fields, rpc.session, None, false);
    let asked = Asked::default();
    set_tree(&mut fields, rpc.tree, &asked);
    set_file(&mut fields, Some(rpc.file), &asked, false);
    fields.with("dcerpc", rpc.rpc.fields())
}

fn of_encrypted(encrypted: &Encrypted<'_>) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("dialect", encrypted.negotiated.dialect.clone());
    fields.set("command", "SMB3_ENCRYPTED");
    fields.set("session_id", encrypted.session_id);
    set_session(&mut fields, encrypted.session, None, false);
    fields
}

/// A GUID as it is written ([MS-DTYP] 2.3.4.3).
pub fn guid(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
    let [i, j, k, l, m, n, o, p] = rest;
    let head = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    let tail = u64::from_be_bytes([0, 0, k, l, m, n, o, p]);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{tail:012x}", head.0, head.1, head.2, u16::from_be_bytes([i, j]))
}
