//! ATT&CK techniques by their ids, with the tactic they serve in the intrusions this sensor is for.
//!
//! Names as <https://attack.mitre.org> has them, blanks and slashes as underscores, the way public rule sets write them.

use crate::Technique;

macro_rules! techniques {
    ($($constant:ident = $id:literal $name:literal, $tactic_id:literal $tactic_name:literal;)*) => {
        $(
            #[doc = concat!($id, " ", $name)]
            pub const $constant: Technique =
                Technique { id: $id, name: $name, tactic_id: $tactic_id, tactic_name: $tactic_name };
        )*
        /// Every technique that a detection or a shipped rule names.
        pub static TECHNIQUES: &[Technique] = &[$($constant),*];
    };
}

techniques! {
    T1016 = "T1016" "System_Network_Configuration_Discovery", "TA0007" "Discovery";
    T1018 = "T1018" "Remote_System_Discovery", "TA0007" "Discovery";
    T1021_002 = "T1021.002" "SMB_Windows_Admin_Shares", "TA0008" "Lateral_Movement";
    T1021_006 = "T1021.006" "Windows_Remote_Management", "TA0008" "Lateral_Movement";
    T1027 = "T1027" "Obfuscated_Files_or_Information", "TA0005" "Defense_Evasion";
    T1047 = "T1047" "Windows_Management_Instrumentation", "TA0002" "Execution";
    T1049 = "T1049" "System_Network_Connections_Discovery", "TA0007" "Discovery";
    T1053 = "T1053" "Scheduled_Task_Job", "TA0002" "Execution";
    T1053_005 = "T1053.005" "Scheduled_Task", "TA0002" "Execution";
    T1059 = "T1059" "Command_and_Scripting_Interpreter", "TA0002" "Execution";
    T1059_001 = "T1059.001" "PowerShell", "TA0002" "Execution";
    T1059_003 = "T1059.003" "Windows_Command_Shell", "TA0002" "Execution";
    T1059_004 = "T1059.004" "Unix_Shell", "TA0002" "Execution";
    T1059_005 = "T1059.005" "Visual_Basic", "TA0002" "Execution";
    T1071 = "T1071" "Application_Layer_Protocol", "TA0011" "Command_and_Control";
    T1078 = "T1078" "Valid_Accounts", "TA0001" "Initial_Access";
    T1087 = "T1087" "Account_Discovery", "TA0007" "Discovery";
    T1105 = "T1105" "Ingress_Tool_Transfer", "TA0011" "Command_and_Control";
    T1110 = "T1110" "Brute_Force", "TA0006" "Credential_Access";
    T1133 = "T1133" "External_Remote_Services", "TA0001" "Initial_Access";
    T1135 = "T1135" "Network_Share_Discovery", "TA0007" "Discovery";
    T1190 = "T1190" "Exploit_Public_Facing_Application", "TA0001" "Initial_Access";
    T1210 = "T1210" "Exploitation_of_Remote_Services", "TA0008" "Lateral_Movement";
    T1212 = "T1212" "Exploitation_for_Credential_Access", "TA0006" "Credential_Access";
    T1213 = "T1213" "Data_from_Information_Repositories", "TA0009" "Collection";
    T1505_001 = "T1505.001" "SQL_Stored_Procedures", "TA0003" "Persistence";
    T1547 = "T1547" "Boot_or_Logon_Autostart_Execution", "TA0003" "Persistence";
    T1555 = "T1555" "Credentials_from_Password_Stores", "TA0006" "Credential_Access";
    T1562_001 = "T1562.001" "Disable_or_Modify_Tools", "TA0005" "Defense_Evasion";
    T1567 = "T1567" "Exfiltration_Over_Web_Service", "TA0010" "Exfiltration";
    T1569_002 = "T1569.002" "Service_Execution", "TA0002" "Execution";
    T1570 = "T1570" "Lateral_Tool_Transfer", "TA0008" "Lateral_Movement";
    T1595 = "T1595" "Active_Scanning", "TA0043" "Reconnaissance";
    T1620 = "T1620" "Reflective_Code_Loading", "TA0005" "Defense_Evasion";
}

/// The technique of an id as a rule's meta writes it, blanks around it and case aside.
#[must_use]
pub fn technique(id: &str) -> Option<&'static Technique> {
    let id = id.trim();
    TECHNIQUES.iter().find(|technique| technique.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_once_and_strangers_are_not() {
        for (at, known) in TECHNIQUES.iter().enumerate() {
            assert!(std::ptr::eq(technique(known.id).unwrap(), &TECHNIQUES[at]), "{} stands twice", known.id);
            assert!(!known.name.contains([' ', '/']) && known.tactic_id.starts_with("TA00"));
        }
        assert_eq!(technique(" t1555 ").map(|known| known.tactic_name), Some("Credential_Access"));
        assert!(technique("T9999").is_none() && technique("").is_none());
    }
}
