//! Builders of WinRM messages, shaped as those of [MS-WSMV] 4 and [MS-PSRP] 4.

use data_encoding::BASE64;

/// Actions of shells.
pub const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// The shell of cmd.exe.
pub const CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// That of PowerShell.
pub const POWERSHELL: &str = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";

/// The resource URI of a class of WMI in its usual namespace ([MS-WSMV] 2.2.6).
pub fn wmi_class(class: &str) -> String {
    ["http://schemas.microsoft.com/wbem/wsman/1/wmi", "root", "cimv2", class].join("/")
}

/// A request with these fields behind its type.
pub fn post(fields: &str, body: &str) -> Vec<u8> {
    post_as("application/soap+xml;charset=UTF-8", fields, body.as_bytes())
}

/// The same with a type.
pub fn post_as(kind: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: vbr01:5985\r\n{fields}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A response with SOAP in it.
pub fn response(status: &str, body: &str) -> Vec<u8> {
    let kind = "application/soap+xml;charset=UTF-8";
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// An envelope.
pub fn envelope(action: &str, uri: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header>\
         <wsa:Action s:mustUnderstand=\"true\">{action}</wsa:Action><w:ResourceURI>{uri}</w:ResourceURI>{header}\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The header that names a shell.
pub fn selector(shell: &str) -> String {
    format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>")
}

/// A command line in a shell of cmd.exe.
pub fn command(inner: &str) -> String {
    let body = format!("<rsp:CommandLine>{inner}</rsp:CommandLine>");
    envelope(&format!("{SHELL}/Command"), CMD, &selector("67A74734-DD32-4F10-89DE-49A060483810"), &body)
}

/// A command was started.
pub fn command_response(id: &str) -> Vec<u8> {
    let body = format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>");
    response("200", &envelope(&format!("{SHELL}/CommandResponse"), "", "", &body))
}

/// A fragment ([MS-PSRP] 2.2.4).
pub fn fragment(object: u64, number: u64, flags: u8, blob: &[u8]) -> Vec<u8> {
    let len = u32::try_from(blob.len()).unwrap().to_be_bytes();
    [&object.to_be_bytes()[..], &number.to_be_bytes(), &[flags], &len, blob].concat()
}

/// A message ([MS-PSRP] 2.2.1).
pub fn message(kind: u32, data: &str) -> Vec<u8> {
    let destination = 2_u32.to_le_bytes();
    [&destination[..], &kind.to_le_bytes(), &[0x11; 16], &[0x22; 16], b"\xef\xbb\xbf", data.as_bytes()].concat()
}

/// The command that carries fragments of a pipeline ([MS-PSRP] 3.1.5.3.3).
pub fn pipeline_command(fragments: &[u8]) -> String {
    let body = format!(
        "<rsp:CommandLine CommandId=\"C0\"><rsp:Command/><rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>",
        base64(fragments)
    );
    envelope(&format!("{SHELL}/Command"), POWERSHELL, &selector("S0"), &body)
}

/// Fragments that follow those of the command.
pub fn send(fragments: &[u8]) -> String {
    let body = format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C0\">{}</rsp:Stream></rsp:Send>", base64(fragments));
    envelope(&format!("{SHELL}/Send"), POWERSHELL, &selector("S0"), &body)
}

/// A pipeline ([MS-PSRP] 2.2.2.10) of commands that are written already.
pub fn create_pipeline(commands: &str) -> String {
    format!(
        "<Obj RefId=\"0\"><MS><Obj N=\"PowerShell\" RefId=\"1\"><MS><Obj N=\"Cmds\" RefId=\"2\"><TN RefId=\"0\">\
         <T>System.Collections.Generic.List`1</T><T>System.Object</T></TN><LST>{commands}</LST></Obj>\
         <B N=\"IsNested\">false</B><Nil N=\"History\"/><B N=\"RedirectShellErrorOutputPipe\">true</B></MS></Obj>\
         <B N=\"NoInput\">true</B></MS></Obj>"
    )
}

/// A command of a pipeline ([MS-PSRP] 2.2.3.12).
pub fn pipeline_part(name: &str, is_script: bool, arguments: &str) -> String {
    format!(
        "<Obj RefId=\"3\"><MS><S N=\"Cmd\">{name}</S><B N=\"IsScript\">{is_script}</B><Nil N=\"UseLocalScope\"/>\
         <Obj N=\"Args\" RefId=\"11\"><TNRef RefId=\"0\"/><LST>{arguments}</LST></Obj></MS></Obj>"
    )
}

/// An argument of a command.
pub fn argument(name: &str, value: &str) -> String {
    let name = if name.is_empty() { "<Nil N=\"N\"/>".to_owned() } else { format!("<S N=\"N\">{name}</S>") };
    format!("<Obj RefId=\"12\"><MS>{name}{value}</MS></Obj>")
}

/// Bytes as base64.
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
