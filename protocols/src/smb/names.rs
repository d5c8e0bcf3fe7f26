//! Names of numbers: statuses, dialects, dispositions, functions, information classes.

use std::borrow::Cow;

/// Statuses that SMB servers return often ([MS-ERREF] 2.3.1).
const STATUSES: &[(u32, &str)] = &[
    (0x0000_0000, "STATUS_SUCCESS"),
    (0x0000_0103, "STATUS_PENDING"),
    (0x0000_010b, "STATUS_NOTIFY_CLEANUP"),
    (0x0000_010c, "STATUS_NOTIFY_ENUM_DIR"),
    (0x8000_0005, "STATUS_BUFFER_OVERFLOW"),
    (0x8000_0006, "STATUS_NO_MORE_FILES"),
    (0x8000_002d, "STATUS_STOPPED_ON_SYMLINK"),
    (0xc000_0001, "STATUS_UNSUCCESSFUL"),
    (0xc000_0002, "STATUS_NOT_IMPLEMENTED"),
    (0xc000_0003, "STATUS_INVALID_INFO_CLASS"),
    (0xc000_0004, "STATUS_INFO_LENGTH_MISMATCH"),
    (0xc000_0008, "STATUS_INVALID_HANDLE"),
    (0xc000_000d, "STATUS_INVALID_PARAMETER"),
    (0xc000_000e, "STATUS_NO_SUCH_DEVICE"),
    (0xc000_000f, "STATUS_NO_SUCH_FILE"),
    (0xc000_0010, "STATUS_INVALID_DEVICE_REQUEST"),
    (0xc000_0011, "STATUS_END_OF_FILE"),
    (0xc000_0016, "STATUS_MORE_PROCESSING_REQUIRED"),
    (0xc000_0022, "STATUS_ACCESS_DENIED"),
    (0xc000_0023, "STATUS_BUFFER_TOO_SMALL"),
    (0xc000_0033, "STATUS_OBJECT_NAME_INVALID"),
    (0xc000_0034, "STATUS_OBJECT_NAME_NOT_FOUND"),
    (0xc000_0035, "STATUS_OBJECT_NAME_COLLISION"),
    (0xc000_003a, "STATUS_OBJECT_PATH_NOT_FOUND"),
    (0xc000_0043, "STATUS_SHARING_VIOLATION"),
    (0xc000_0054, "STATUS_FILE_LOCK_CONFLICT"),
    (0xc000_0055, "STATUS_LOCK_NOT_GRANTED"),
    (0xc000_0056, "STATUS_DELETE_PENDING"),
    (0xc000_0061, "STATUS_PRIVILEGE_NOT_HELD"),
    (0xc000_0064, "STATUS_NO_SUCH_USER"),
    (0xc000_006a, "STATUS_WRONG_PASSWORD"),
    (0xc000_006d, "STATUS_LOGON_FAILURE"),
    (0xc000_006e, "STATUS_ACCOUNT_RESTRICTION"),
    (0xc000_006f, "STATUS_INVALID_LOGON_HOURS"),
    (0xc000_0070, "STATUS_INVALID_WORKSTATION"),
    (0xc000_0071, "STATUS_PASSWORD_EXPIRED"),
    (0xc000_0072, "STATUS_ACCOUNT_DISABLED"),
    (0xc000_007f, "STATUS_DISK_FULL"),
    (0xc000_009a, "STATUS_INSUFFICIENT_RESOURCES"),
    (0xc000_00a2, "STATUS_MEDIA_WRITE_PROTECTED"),
    (0xc000_00ac, "STATUS_PIPE_NOT_AVAILABLE"),
    (0xc000_00ae, "STATUS_PIPE_BUSY"),
    (0xc000_00b0, "STATUS_PIPE_DISCONNECTED"),
    (0xc000_00b1, "STATUS_PIPE_CLOSING"),
    (0xc000_00b5, "STATUS_IO_TIMEOUT"),
    (0xc000_00ba, "STATUS_FILE_IS_A_DIRECTORY"),
    (0xc000_00bb, "STATUS_NOT_SUPPORTED"),
    (0xc000_00c9, "STATUS_NETWORK_NAME_DELETED"),
    (0xc000_00ca, "STATUS_NETWORK_ACCESS_DENIED"),
    (0xc000_00cc, "STATUS_BAD_NETWORK_NAME"),
    (0xc000_00d0, "STATUS_REQUEST_NOT_ACCEPTED"),
    (0xc000_00d9, "STATUS_PIPE_EMPTY"),
    (0xc000_0101, "STATUS_DIRECTORY_NOT_EMPTY"),
    (0xc000_0103, "STATUS_NOT_A_DIRECTORY"),
    (0xc000_0107, "STATUS_FILES_OPEN"),
    (0xc000_0120, "STATUS_CANCELLED"),
    (0xc000_0121, "STATUS_CANNOT_DELETE"),
    (0xc000_0123, "STATUS_FILE_DELETED"),
    (0xc000_0128, "STATUS_FILE_CLOSED"),
    (0xc000_014b, "STATUS_PIPE_BROKEN"),
    (0xc000_015b, "STATUS_LOGON_TYPE_NOT_GRANTED"),
    (0xc000_0193, "STATUS_ACCOUNT_EXPIRED"),
    (0xc000_019c, "STATUS_FS_DRIVER_REQUIRED"),
    (0xc000_0203, "STATUS_USER_SESSION_DELETED"),
    (0xc000_0224, "STATUS_PASSWORD_MUST_CHANGE"),
    (0xc000_0225, "STATUS_NOT_FOUND"),
    (0xc000_0234, "STATUS_ACCOUNT_LOCKED_OUT"),
    (0xc000_0257, "STATUS_PATH_NOT_COVERED"),
    (0xc000_0275, "STATUS_NOT_A_REPARSE_POINT"),
    (0xc000_035c, "STATUS_NETWORK_SESSION_EXPIRED"),
    (0xc000_0413, "STATUS_AUTHENTICATION_FIREWALL_FAILED"),
    (0xc05d_0000, "STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP"),
];

/// A status by name; one that is not in the list by its number.
#[must_use]
pub fn status_name(status: u32) -> Cow<'static, str> {
    match STATUSES.binary_search_by_key(&status, |(known, _)| *known) {
        Ok(at) => STATUSES.get(at).map_or("", |(_, name)| name).into(),
        Err(_) => format!("{status:#010x}").into(),
    }
}

/// A dialect ([MS-SMB2] 2.2.3) as Suricata writes it.
pub fn dialect_name(dialect: u16) -> Cow<'static, str> {
    let known = match dialect {
        0x0202 => "2.02",
        0x0210 => "2.10",
        0x0222 => "2.22",
        0x0224 => "2.24",
        0x02ff => "2.??",
        0x0300 => "3.00",
        0x0302 => "3.02",
        0x0310 => "3.10",
        0x0311 => "3.11",
        _ => return format!("{dialect:#06x}").into(),
    };
    known.into()
}

/// CreateDisposition ([MS-SMB2] 2.2.13) as Suricata writes it.
#[must_use]
pub const fn disposition_name(disposition: u32) -> Option<&'static str> {
    Some(match disposition {
        0 => "FILE_SUPERSEDE",
        1 => "FILE_OPEN",
        2 => "FILE_CREATE",
        3 => "FILE_OPEN_IF",
        4 => "FILE_OVERWRITE",
        5 => "FILE_OVERWRITE_IF",
        _ => return None,
    })
}

/// A control code ([MS-FSCC] 2.3, [MS-SMB2] 2.2.31).
pub fn function_name(code: u32) -> Cow<'static, str> {
    let known = match code {
        0x0006_0194 => "FSCTL_DFS_GET_REFERRALS",
        0x0006_01b0 => "FSCTL_DFS_GET_REFERRALS_EX",
        0x0009_00a4 => "FSCTL_SET_REPARSE_POINT",
        0x0009_00a8 => "FSCTL_GET_REPARSE_POINT",
        0x0009_00c4 => "FSCTL_SET_SPARSE",
        0x0009_80c8 => "FSCTL_SET_ZERO_DATA",
        0x0009_8208 => "FSCTL_FILE_LEVEL_TRIM",
        0x0009_c040 => "FSCTL_SET_COMPRESSION",
        0x0011_0018 => "FSCTL_PIPE_WAIT",
        0x0011_400c => "FSCTL_PIPE_PEEK",
        PIPE_TRANSCEIVE => "FSCTL_PIPE_TRANSCEIVE",
        0x0014_0078 => "FSCTL_SRV_REQUEST_RESUME_KEY",
        0x0014_01d4 => "FSCTL_LMR_REQUEST_RESILIENCY",
        0x0014_01fc => "FSCTL_QUERY_NETWORK_INTERFACE_INFO",
        0x0014_0204 => "FSCTL_VALIDATE_NEGOTIATE_INFO",
        0x0014_4064 => "FSCTL_SRV_ENUMERATE_SNAPSHOTS",
        0x0014_40f2 => "FSCTL_SRV_COPYCHUNK",
        0x0014_41bb => "FSCTL_SRV_READ_HASH",
        0x0014_80f2 => "FSCTL_SRV_COPYCHUNK_WRITE",
        _ => return format!("{code:#010x}").into(),
    };
    known.into()
}

/// Pipes that Windows' services listen on, where the share of a name was not seen. [MS-SCMR] 2.1, [MS-TSCH] 2.1, [MS-SRVS] 2.1 and so on.
const PIPES: [&str; 18] = [
    "atsvc",
    "browser",
    "dnsserver",
    "efsrpc",
    "epmapper",
    "eventlog",
    "initshutdown",
    "lsarpc",
    "lsass",
    "netdfs",
    "netlogon",
    "ntsvcs",
    "samr",
    "spoolss",
    "srvsvc",
    "svcctl",
    "winreg",
    "wkssvc",
];

/// Whether a name is that of a well-known pipe.
pub fn is_pipe(name: &str) -> bool {
    let name = name.trim_start_matches('\\');
    let name =
        name.get(..5).filter(|head| head.eq_ignore_ascii_case("PIPE\\")).map_or(name, |_| name.get(5..).unwrap_or_default());
    PIPES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// FSCTL_PIPE_TRANSCEIVE: a write and a read of a pipe in one.
pub const PIPE_TRANSCEIVE: u32 = 0x0011_c017;

/// InfoType ([MS-SMB2] 2.2.39).
pub const fn info_class(class: u8) -> Option<&'static str> {
    Some(match class {
        1 => "FILE_INFO",
        2 => "FILESYSTEM_INFO",
        3 => "SECURITY_INFO",
        4 => "QUOTA_INFO",
        _ => return None,
    })
}

/// FileInformationClass ([MS-FSCC] 2.4) of those that are set.
pub fn info_level(class: u8, level: u8) -> Cow<'static, str> {
    let known = match (class, level) {
        (1, 4) => "FILE_BASIC_INFO",
        (1, RENAME_INFO) => "FILE_RENAME_INFO",
        (1, LINK_INFO) => "FILE_LINK_INFO",
        (1, DISPOSITION_INFO) => "FILE_DISPOSITION_INFO",
        (1, 14) => "FILE_POSITION_INFO",
        (1, 15) => "FILE_FULL_EA_INFO",
        (1, 16) => "FILE_MODE_INFO",
        (1, 19) => "FILE_ALLOCATION_INFO",
        (1, 20) => "FILE_END_OF_FILE_INFO",
        (1, DISPOSITION_INFO_EX) => "FILE_DISPOSITION_INFO_EX",
        (1, RENAME_INFO_EX) => "FILE_RENAME_INFO_EX",
        _ => return format!("{level:#04x}").into(),
    };
    known.into()
}

/// FileRenameInformation.
pub const RENAME_INFO: u8 = 10;
/// FileLinkInformation: another name for the file.
pub const LINK_INFO: u8 = 11;
/// FileDispositionInformation.
pub const DISPOSITION_INFO: u8 = 13;
/// FileDispositionInformationEx.
pub const DISPOSITION_INFO_EX: u8 = 64;
/// FileRenameInformationEx.
pub const RENAME_INFO_EX: u8 = 65;

/// Subcommands of TRANSACTION2 ([MS-CIFS] 2.2.2.2).
pub fn trans2_name(subcommand: u16) -> Cow<'static, str> {
    let known = match subcommand {
        0x0000 => "OPEN2",
        0x0001 => "FIND_FIRST2",
        0x0002 => "FIND_NEXT2",
        0x0003 => "QUERY_FS_INFORMATION",
        0x0005 => "QUERY_PATH_INFORMATION",
        0x0006 => "SET_PATH_INFORMATION",
        0x0007 => "QUERY_FILE_INFORMATION",
        0x0008 => "SET_FILE_INFORMATION",
        0x000d => "CREATE_DIRECTORY",
        0x0010 => "GET_DFS_REFERRAL",
        _ => return format!("{subcommand:#06x}").into(),
    };
    known.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_in_order_and_unknown_ones_keep_their_number() {
        assert!(STATUSES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(status_name(0xc000_0022), "STATUS_ACCESS_DENIED");
        assert_eq!(status_name(0xc123_4567), "0xc1234567");
    }
}
