//! Real conversations.

use super::*;

#[test]
fn look() {
    for name in ["smb_copy", "smb_script", "smb_admin_write", "smb_admin_read", "smb_encrypted", "smb_svcctl", "smb_enum_0", "smb_enum_1", "smb_compound"] {
        let recorder = run(&testing::fixture(name).unwrap());
        println!("== {name} {:?}", recorder.anomalies());
        for line in answered(&recorder) { println!("{line:?}"); }
        for (_, fields) in recorder.transactions().take(12) { println!("{fields:?}"); }
        for bytes in contents(&recorder) { println!("content {} {:?}", bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(60)])); }
    }
}
