// Veeam Backup & Replication, CVE-2023-27532: what the RemoteInvoke contract carries, in the XML of its parameter.
// For streams that no parser understands; where the NMF parser does, detections 9401001 to 9401005 decide.

rule veeam_credential_dump : veeam exploit
{
    meta:
        sid = 9411001
        rev = 1
        description = "Veeam RemoteInvoke call for all stored credentials"
        severity = 1
        mitre = "T1212, T1555"
        cve = "CVE-2023-27532"
        reference = "https://www.veeam.com/kb4424"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "exploit"
        scope = "undecoded"
    strings:
        // The attribute itself: neither an escaped quotation nor the value of another attribute.
        $spec = /<RemoteInvokeSpec(\s+\w+\s*=\s*("[^"<>]*"|'[^'<>]*')){0,8}\s+Method\s*=\s*["']CredentialsDbScopeGetAllCreds["']/ ascii wide
    condition:
        $spec
}

rule veeam_credential_lookup : veeam exploit
{
    meta:
        sid = 9411002
        rev = 1
        description = "Veeam RemoteInvoke call that looks up stored credentials"
        severity = 1
        mitre = "T1212, T1555"
        cve = "CVE-2023-27532"
        reference = "https://www.veeam.com/kb4424"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "exploit"
        scope = "undecoded"
    strings:
        $spec = /<RemoteInvokeSpec(\s+\w+\s*=\s*("[^"<>]*"|'[^'<>]*')){0,8}\s+Method\s*=\s*["']CredentialsDbScopeFindCredentials["']/ ascii wide
    condition:
        $spec
}

rule veeam_sql_through_remoteinvoke : veeam exploit
{
    meta:
        sid = 9411003
        rev = 1
        description = "SQL text sent through Veeam RemoteInvoke"
        severity = 2
        mitre = "T1190, T1210"
        cve = "CVE-2023-27532"
        reference = "https://www.veeam.com/kb4424"
        stage = "exploit"
        scope = "undecoded"
    strings:
        $sql = /<DbGetDataTableRemoteInvokeSpec(\s[^<>]*)?>\s*(<\w+>[^<>]*<\/\w+>\s*){0,4}<SqlCommand(\s[^<>]*)?>\s*[^<\s]/ ascii wide
    condition:
        $sql
}

rule veeam_command_through_sql : veeam exploit
{
    meta:
        sid = 9411004
        rev = 1
        description = "Operating system command through SQL sent by Veeam RemoteInvoke"
        severity = 1
        mitre = "T1190, T1059.003"
        cve = "CVE-2023-27532"
        reference = "https://www.veeam.com/kb4424"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "execute"
        scope = "undecoded"
    strings:
        $sql = /<SqlCommand(\s[^<>]*)?>[^<]*/ ascii wide
        // At the beginning of a statement, with a command as text: not within a comment or a quoted text.
        $run = /([>;\r\n]|\*\/|\b(begin|else|go|reconfigure|override|then)\s)\s*((exec(ute)?\s+)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?sp_configure\]?\s+(@configname\s*=\s*)?N?('|&apos;|&#39;|&#x27;)xp_cmdshell('|&apos;|&#39;|&#x27;)\s*,\s*(@configvalue\s*=\s*)?1|exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?('|&apos;|&#39;|&#x27;)[a-z0-9%"\\.])/ ascii wide nocase
        $block = /\/\*[^*'<]{0,160}('[^'*<]{0,40}'[^*'<]{0,60}){0,2}(\[?sp_configure\]?\s+(@configname\s*=\s*)?N?('|&apos;|&#39;|&#x27;)xp_cmdshell('|&apos;|&#39;|&#x27;)\s*,|exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?('|&apos;|&#39;|&#x27;))/ ascii wide nocase
        $line = /--[^'<\r\n]{0,80}(\[?sp_configure\]?\s+(@configname\s*=\s*)?N?('|&apos;|&#39;|&#x27;)xp_cmdshell('|&apos;|&#39;|&#x27;)\s*,|exec(ute)?\s+(@\w+\s*=\s*)?(\[?master\]?\s*\.\s*(\[?(dbo|sys)\]?)?\s*\.\s*)?\[?xp_cmdshell\]?\s*N?('|&apos;|&#39;|&#x27;))/ ascii wide nocase
    condition:
        $sql and $run and (
            #sql > 256 or #run > 256 or #block > 256 or #line > 256 or
            for any i in (1..256) : (
                i <= #run and
                for any j in (1..256) : (j <= #sql and @run[i] >= @sql[j] and @run[i] < @sql[j] + !sql[j]) and
                for all j in (1..256) : (j > #block or @run[i] < @block[j] or @run[i] >= @block[j] + !block[j]) and
                for all j in (1..256) : (j > #line or @run[i] < @line[j] or @run[i] >= @line[j] + !line[j])
            )
        )
}
