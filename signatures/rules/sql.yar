// SQL that ends in operating system commands, as text on the wire: UTF-16 in TDS, so ASCII and wide.
// For streams that no parser understands; where the TDS parser does, detections 9402001 to 9402006 decide on tokens.
//
// A raw rule cannot tokenise. It asks for the statement at a place where a statement begins (after `;`, a line end, a binary byte, the
// end of a comment, a keyword, the first byte), and for a quoted argument that is not itself within a quoted text (there quotes are
// doubled). A statement within a comment does not count; a quoted text in front may hold what looks like the beginning of a comment.
// Loops are bounded; nothing benign has that many such statements, and a flood of commented ones must not hide one that is not.

rule sql_xp_cmdshell_enabled : sql execution
{
    meta:
        sid = 9411010
        rev = 1
        description = "xp_cmdshell is being enabled"
        severity = 2
        mitre = "T1505.001, T1059.003"
        reference = "https://learn.microsoft.com/sql/database-engine/configure-windows/xp-cmdshell-server-configuration-option"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "execute"
        scope = "undecoded"
    strings:
        $enable = /(^|[\x00-\x08\x0e-\x1f\x80-\xff;\r\n]|\*\/|\b(begin|else|go|reconfigure|override|then)\s)\s*(exec(ute)?\s+)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?sp_configure\]?\s+(@configname\s*=\s*)?N?'xp_cmdshell'\s*,\s*(@configvalue\s*=\s*)?N?'?1/ ascii wide nocase
        $block = /\/\*[^*']{0,160}('[^'*]{0,40}'[^*']{0,60}){0,2}\[?sp_configure\]?\s+(@configname\s*=\s*)?N?'xp_cmdshell'\s*,/ ascii wide nocase
        $line = /--[^'\r\n]{0,80}\[?sp_configure\]?\s+(@configname\s*=\s*)?N?'xp_cmdshell'\s*,/ ascii wide nocase
    condition:
        $enable and (
            #enable > 256 or #block > 256 or #line > 256 or
            for any i in (1..256) : (
                i <= #enable and
                for all j in (1..256) : (j > #block or @enable[i] < @block[j] or @enable[i] >= @block[j] + !block[j]) and
                for all j in (1..256) : (j > #line or @enable[i] < @line[j] or @enable[i] >= @line[j] + !line[j])
            )
        )
}

rule sql_xp_cmdshell_executed : sql execution
{
    meta:
        sid = 9411011
        rev = 1
        description = "xp_cmdshell is executed"
        severity = 2
        mitre = "T1059.003"
        reference = "https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/xp-cmdshell-transact-sql"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "execute"
        scope = "undecoded"
    strings:
        $call = /(^|[\x00-\x08\x0e-\x1f\x80-\xff;\r\n]|\*\/|\b(begin|else|go|reconfigure|override|then)\s)\s*exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?'[a-z0-9%"\\.]/ ascii wide nocase
        $block = /\/\*[^*']{0,160}('[^'*]{0,40}'[^*']{0,60}){0,2}exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?'/ ascii wide nocase
        $line = /--[^'\r\n]{0,80}exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?'/ ascii wide nocase
    condition:
        $call and (
            #call > 256 or #block > 256 or #line > 256 or
            for any i in (1..256) : (
                i <= #call and
                for all j in (1..256) : (j > #block or @call[i] < @block[j] or @call[i] >= @block[j] + !block[j]) and
                for all j in (1..256) : (j > #line or @call[i] < @line[j] or @call[i] >= @line[j] + !line[j])
            )
        )
}

rule sql_ole_automation_shell : sql execution
{
    meta:
        sid = 9411012
        rev = 1
        description = "OLE automation from SQL creates a shell object and calls it"
        severity = 2
        mitre = "T1059.005"
        reference = "https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-oacreate-transact-sql"
        stage = "execute"
        scope = "undecoded"
    strings:
        $create = /\bexec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?sp_oacreate\]?\s+N?'(wscript\.shell|shell\.application|msxml2\.(server)?xmlhttp|scripting\.filesystemobject|adodb\.stream)[.0-9]*'/ ascii wide nocase
        $method = /\bexec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?sp_oamethod\]?\s+@/ ascii wide nocase
    condition:
        $create and $method
}

rule sql_assembly_from_bytes : sql execution
{
    meta:
        sid = 9411013
        rev = 1
        description = "CLR assembly created from the bytes of an executable"
        severity = 2
        mitre = "T1505.001"
        reference = "https://learn.microsoft.com/sql/t-sql/statements/create-assembly-transact-sql"
        stage = "execute"
        scope = "undecoded"
    strings:
        $create = /\bcreate\s+assembly\s[^;']{1,200}\sfrom\s+0x4d5a[0-9a-f]{8}/ ascii wide nocase
    condition:
        $create
}
