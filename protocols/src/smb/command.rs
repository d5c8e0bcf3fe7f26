//! Commands, by the names that Suricata writes.

/// The last command of SMB 2 ([MS-SMB2] 2.2.1.2).
pub const LAST_SMB2: u16 = 0x12;

/// A command of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// [MS-SMB2] 2.2.1.2.
    Smb2(u16),
    /// [MS-CIFS] 2.2.2.1.
    Smb1(u8),
}

macro_rules! commands {
    ($($(#[$doc:meta])* $constant:ident = $code:expr;)*) => {
        /// Codes of SMB 2.
        pub mod code2 { $($(#[$doc])* pub const $constant: u16 = $code;)* }
    };
}
commands! {
    NEGOTIATE = 0x00;
    SESSION_SETUP = 0x01;
    LOGOFF = 0x02;
    TREE_CONNECT = 0x03;
    TREE_DISCONNECT = 0x04;
    CREATE = 0x05;
    CLOSE = 0x06;
    FLUSH = 0x07;
    READ = 0x08;
    WRITE = 0x09;
    LOCK = 0x0a;
    IOCTL = 0x0b;
    CANCEL = 0x0c;
    ECHO = 0x0d;
    QUERY_DIRECTORY = 0x0e;
    CHANGE_NOTIFY = 0x0f;
    QUERY_INFO = 0x10;
    SET_INFO = 0x11;
}

const SMB2_NAMES: [&str; 19] = [
    "SMB2_COMMAND_NEGOTIATE_PROTOCOL",
    "SMB2_COMMAND_SESSION_SETUP",
    "SMB2_COMMAND_SESSION_LOGOFF",
    "SMB2_COMMAND_TREE_CONNECT",
    "SMB2_COMMAND_TREE_DISCONNECT",
    "SMB2_COMMAND_CREATE",
    "SMB2_COMMAND_CLOSE",
    "SMB2_COMMAND_FLUSH",
    "SMB2_COMMAND_READ",
    "SMB2_COMMAND_WRITE",
    "SMB2_COMMAND_LOCK",
    "SMB2_COMMAND_IOCTL",
    "SMB2_COMMAND_CANCEL",
    "SMB2_COMMAND_KEEPALIVE",
    "SMB2_COMMAND_FIND",
    "SMB2_COMMAND_CHANGE_NOTIFY",
    "SMB2_COMMAND_GET_INFO",
    "SMB2_COMMAND_SET_INFO",
    "SMB2_COMMAND_OPLOCK_BREAK",
];

/// Codes of SMB 1 that are decoded ([MS-CIFS] 2.2.2.1).
pub mod code1 {
    pub const CREATE_DIRECTORY: u8 = 0x00;
    pub const DELETE_DIRECTORY: u8 = 0x01;
    pub const OPEN: u8 = 0x02;
    pub const CREATE: u8 = 0x03;
    pub const CLOSE: u8 = 0x04;
    pub const FLUSH: u8 = 0x05;
    pub const DELETE: u8 = 0x06;
    pub const RENAME: u8 = 0x07;
    pub const QUERY_INFORMATION: u8 = 0x08;
    pub const READ: u8 = 0x0a;
    pub const WRITE: u8 = 0x0b;
    pub const CREATE_NEW: u8 = 0x0f;
    pub const CHECK_DIRECTORY: u8 = 0x10;
    pub const LOCK_AND_READ: u8 = 0x13;
    pub const WRITE_AND_UNLOCK: u8 = 0x14;
    pub const LOCKING_ANDX: u8 = 0x24;
    pub const TRANSACTION: u8 = 0x25;
    pub const TRANSACTION_SECONDARY: u8 = 0x26;
    pub const ECHO: u8 = 0x2b;
    pub const WRITE_AND_CLOSE: u8 = 0x2c;
    pub const OPEN_ANDX: u8 = 0x2d;
    pub const READ_ANDX: u8 = 0x2e;
    pub const WRITE_ANDX: u8 = 0x2f;
    pub const TRANSACTION2: u8 = 0x32;
    pub const FIND_CLOSE2: u8 = 0x34;
    pub const TREE_DISCONNECT: u8 = 0x71;
    pub const NEGOTIATE: u8 = 0x72;
    pub const SESSION_SETUP_ANDX: u8 = 0x73;
    pub const LOGOFF_ANDX: u8 = 0x74;
    pub const TREE_CONNECT_ANDX: u8 = 0x75;
    pub const NT_TRANSACT: u8 = 0xa0;
    pub const NT_CREATE_ANDX: u8 = 0xa2;
    pub const NT_CANCEL: u8 = 0xa4;
    pub const NT_RENAME: u8 = 0xa5;
}

const SMB1_NAMES: &[(u8, &str)] = &[
    (code1::CREATE_DIRECTORY, "SMB1_COMMAND_CREATE_DIRECTORY"),
    (code1::DELETE_DIRECTORY, "SMB1_COMMAND_DELETE_DIRECTORY"),
    (code1::OPEN, "SMB1_COMMAND_OPEN"),
    (code1::CREATE, "SMB1_COMMAND_CREATE"),
    (code1::CLOSE, "SMB1_COMMAND_CLOSE"),
    (code1::FLUSH, "SMB1_COMMAND_FLUSH"),
    (code1::DELETE, "SMB1_COMMAND_DELETE"),
    (code1::RENAME, "SMB1_COMMAND_RENAME"),
    (code1::QUERY_INFORMATION, "SMB1_COMMAND_QUERY_INFORMATION"),
    (code1::READ, "SMB1_COMMAND_READ"),
    (code1::WRITE, "SMB1_COMMAND_WRITE"),
    (code1::CREATE_NEW, "SMB1_COMMAND_CREATE_NEW"),
    (code1::CHECK_DIRECTORY, "SMB1_COMMAND_CHECK_DIRECTORY"),
    (code1::LOCK_AND_READ, "SMB1_COMMAND_LOCK_AND_READ"),
    (code1::WRITE_AND_UNLOCK, "SMB1_COMMAND_WRITE_AND_UNLOCK"),
    (code1::LOCKING_ANDX, "SMB1_COMMAND_LOCKING_ANDX"),
    (code1::TRANSACTION, "SMB1_COMMAND_TRANS"),
    (code1::TRANSACTION_SECONDARY, "SMB1_COMMAND_TRANS_SECONDARY"),
    (code1::ECHO, "SMB1_COMMAND_ECHO"),
    (code1::WRITE_AND_CLOSE, "SMB1_COMMAND_WRITE_AND_CLOSE"),
    (code1::OPEN_ANDX, "SMB1_COMMAND_OPEN_ANDX"),
    (code1::READ_ANDX, "SMB1_COMMAND_READ_ANDX"),
    (code1::WRITE_ANDX, "SMB1_COMMAND_WRITE_ANDX"),
    (code1::TRANSACTION2, "SMB1_COMMAND_TRANS2"),
    (code1::FIND_CLOSE2, "SMB1_COMMAND_FIND_CLOSE2"),
    (code1::TREE_DISCONNECT, "SMB1_COMMAND_TREE_DISCONNECT"),
    (code1::NEGOTIATE, "SMB1_COMMAND_NEGOTIATE_PROTOCOL"),
    (code1::SESSION_SETUP_ANDX, "SMB1_COMMAND_SESSION_SETUP_ANDX"),
    (code1::LOGOFF_ANDX, "SMB1_COMMAND_LOGOFF_ANDX"),
    (code1::TREE_CONNECT_ANDX, "SMB1_COMMAND_TREE_CONNECT_ANDX"),
    (code1::NT_TRANSACT, "SMB1_COMMAND_NT_TRANS"),
    (code1::NT_CREATE_ANDX, "SMB1_COMMAND_NT_CREATE_ANDX"),
    (code1::NT_CANCEL, "SMB1_COMMAND_NT_CANCEL"),
    (code1::NT_RENAME, "SMB1_COMMAND_NT_RENAME"),
];

impl Command {
    /// The name in records; a command without one by its number.
    #[must_use]
    pub fn name(self) -> std::borrow::Cow<'static, str> {
        let known = match self {
            Self::Smb2(code) => SMB2_NAMES.get(usize::from(code)).copied(),
            Self::Smb1(code) => SMB1_NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name),
        };
        match (known, self) {
            (Some(name), _) => name.into(),
            (None, Self::Smb2(code)) => format!("SMB2_COMMAND_{code:#06x}").into(),
            (None, Self::Smb1(code)) => format!("SMB1_COMMAND_{code:#04x}").into(),
        }
    }
}
