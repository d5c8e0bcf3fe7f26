use super::*;
use crate::content::sql::{Dialect, Token, tokens};
use proptest::prelude::*;

/// Sid, attack, twin. Literals that are run as SQL are what they are in the twin: data.
const TWINS: &[(u64, &str, &str)] = &[
    (9_402_001, "EXEC sp_configure 'xp_cmdshell', 1", "EXEC sp_configure 'xp_cmdshell', 0"),
    (9_402_002, "EXEC master..xp_cmdshell 'whoami'", "SELECT xp_cmdshell , 'EXEC xp_cmdshell' FROM dbo.t"),
    (9_402_002, "EXEC ( 'EXEC xp_cmdshell whoami' )", "SELECT ( 'EXEC xp_cmdshell whoami' )"),
    (
        9_402_002,
        "DECLARE @x varchar(99) = 'xp_cmdshell dir' ; EXEC ( @x )",
        "DECLARE @x varchar(99) = 'xp_cmdshell dir' ; PRINT @x",
    ),
    (
        9_402_003,
        "EXEC sp_OACreate 'wscript.shell', @o out EXEC sp_OAMethod @o, 'run'",
        "EXEC sp_OACreate 'acme.report', @o out EXEC sp_OAMethod @o, 'run'",
    ),
    (9_402_005, "EXEC sp_add_jobstep @subsystem = 'cmdexec'", "EXEC sp_add_jobstep @subsystem = 'tsql'"),
    (
        9_402_007,
        "SELECT password FROM VeeamBackup.dbo.Credentials WHERE user_name = 'a'",
        "SELECT password FROM Crm.dbo.Credentials WHERE user_name = 'VeeamBackup'",
    ),
    (9_402_007, "EXEC ( 'SELECT password FROM dbo.HostCreds' )", "SELECT 'SELECT password FROM dbo.HostCreds'"),
];

/// The same text in another dress: case, blanks, comments, quoted names, literals put together.
fn dress(sql: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut next = move |of: usize| usize::from(choices.next().unwrap_or(0)) % of;
    let tokens = tokens(sql, Dialect::TransactSql);
    let may_quote = |name: &str| {
        name.starts_with("xp_")
            || name.starts_with("sp_")
            || matches!(name, "credentials" | "hostcreds" | "dbo" | "veeambackup" | "crm")
    };
    // Arguments of a procedure are no expressions: only what is run or set may be put together.
    let mut sums = false;
    let mut out = String::new();
    for token in &tokens {
        let case = |text: &str, next: &mut dyn FnMut(usize) -> usize| -> String {
            text.chars().map(|c| if next(2) == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
        };
        match token {
            Token::Word(word) => {
                sums = (sums || word == "declare" || word == "select") && word != "exec" && word != "from";
                let text = case(word, &mut next);
                out.push_str(&match next(4) {
                    0 if may_quote(word) => format!("[{text}]"),
                    1 if may_quote(word) => format!("\"{text}\""),
                    _ => text,
                });
            }
            Token::Text(text) => {
                let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
                let (head, tail) = text.split_at(next(text.len() + 1));
                out.push_str(&match next(6) {
                    _ if !sums => literal(text),
                    0 => format!("{}+{}", literal(head), literal(tail)),
                    1 => format!("CONCAT({},N{})", literal(head), literal(tail)),
                    2 => format!("REVERSE({})", literal(&text.chars().rev().collect::<String>())),
                    3 => text.bytes().map(|byte| format!("CHAR({byte})")).collect::<Vec<_>>().join("+"),
                    4 => format!("CAST(0x{} AS varchar(99))", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
                    _ => format!("REPLACE({},'~','')", literal(&format!("{head}~{tail}"))),
                });
            }
            Token::Variable(name) | Token::Number(name) => out.push_str(name),
            Token::Symbol(symbol) => {
                sums |= *symbol == '(';
                out.push(*symbol);
            }
            other => panic!("{other:?}"),
        }
        out.push_str([" ", "\t", "\r\n", "/**/", "/* ' */", "/*/**/*/", " -- '\n"][next(7)]);
    }
    out
}

proptest! {
    #[test]
    fn in_any_dress_the_attack_is_told_and_its_twin_is_not(
        which in 0..TWINS.len(),
        choices in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let (sid, attack, twin) = TWINS[which];
        let (attack, twin) = (dress(attack, &choices), dress(twin, &choices));
        let told = |text: &str| {
            let mut server = Server::new("");
            server.batch(text);
            server.sids()
        };
        prop_assert_eq!(told(&attack), [sid], "{}", attack);
        prop_assert!(told(&twin).is_empty(), "{}", twin);
    }
}
