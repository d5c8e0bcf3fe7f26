// PowerShell of the intrusions this sensor is for: loaders, download cradles, lateral movement, stolen Veeam secrets.
// Raw streams and decoded content alike, in ASCII and UTF-16.

rule powertrash_loader : powershell loader
{
    meta:
        sid = 9411020
        rev = 1
        description = "POWERTRASH-shaped loader: packed bytes run in memory through reflection"
        severity = 1
        mitre = "T1059.001, T1027, T1620"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        reference = "https://www.mandiant.com/resources/blog/evolution-of-fin7"
        stage = "execute"
        scope = "any"
    strings:
        $base64 = "FromBase64String" ascii wide nocase
        $deflate = "Compression.DeflateStream" ascii wide nocase
        $delegate = "GetDelegateForFunctionPointer" ascii wide nocase
        $assembly_cache = ".GlobalAssemblyCache" ascii wide nocase
        $by_location = /\.Location\.Split\(\s*'\\\\'\s*\)\s*\[\s*-1\s*\]\s*\.Equals\(/ ascii wide nocase
        $dynamic = ".DefineDynamicAssembly(" ascii wide nocase
    condition:
        // One alone, or unpacking alone, is in many ordinary modules.
        ($base64 and $deflate and $delegate) or
        ($assembly_cache and $by_location and $dynamic and any of ($base64, $deflate, $delegate))
}

rule powertrash_file_name : powershell loader
{
    meta:
        sid = 9411021
        rev = 1
        description = "File name as FIN7 names its POWERTRASH loaders"
        severity = 2
        mitre = "T1059.001, T1105"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "ingress"
        scope = "any"
    strings:
        $name = /\b[a-z]{3,12}[0-9]{2,8}_64refl\.ps1\b/ ascii wide nocase
    condition:
        $name
}

rule powerhold_persistence : powershell persistence
{
    meta:
        sid = 9411022
        rev = 1
        description = "POWERHOLD-shaped script: writes a payload below APPDATA and starts it through wscript"
        severity = 1
        mitre = "T1547, T1059.001"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "execute"
        scope = "any"
    strings:
        $payload = "MainPayload" ascii wide nocase
        $write = "]::WriteAllBytes(" ascii wide nocase
        $host = "wscript.exe" ascii wide nocase
        $folder = /[$%](env:)?(local)?appdata\b/ ascii wide nocase
    condition:
        all of them
}

rule powershell_download_cradle : powershell ingress
{
    meta:
        sid = 9411023
        rev = 1
        description = "PowerShell runs what it downloads"
        severity = 2
        mitre = "T1059.001, T1105"
        reference = "https://attack.mitre.org/techniques/T1059/001/"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "ingress"
        scope = "any"
    strings:
        $run_string = /\b(iex|invoke-expression)["']?\s{0,4}(-c[a-z]{0,6}\s{1,4})?[("'&$.][^;|{}\r\n]{0,120}\.\s?downloadstring\s?\(/ ascii wide nocase
        $run_request = /\b(iex|invoke-expression)["']?\s{0,4}(-c[a-z]{0,6}\s{1,4})?\$?\(\s{0,4}\(?\s{0,4}(iwr|invoke-webrequest|irm|invoke-restmethod|curl|wget)\s/ ascii wide nocase
        $string_run = /\.\s?downloadstring\s?\([^;|\r\n]{1,300}\)\s{0,4}\|\s{0,4}(iex|invoke-expression)\b/ ascii wide nocase
        $assigned_run = /\$\w{1,40}\s?=\s?[^;|\r\n]{0,120}\.\s?downloadstring\s?\([^;|\r\n]{1,300}\)\s?[;\r\n]{1,2}\s{0,8}(iex|invoke-expression)\s{1,4}(-c[a-z]{0,6}\s{1,4})?["']?\$/ ascii wide nocase
        $request_run = /\b(iwr|invoke-webrequest|irm|invoke-restmethod)\s[^;|\r\n]{1,200}\|\s{0,4}(iex|invoke-expression)\b/ ascii wide nocase
    condition:
        any of them
}

rule powershell_encoded_command : powershell execution
{
    meta:
        sid = 9411024
        rev = 1
        description = "PowerShell with an encoded command and flags that hide it"
        severity = 2
        mitre = "T1059.001, T1027"
        reference = "https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_powershell_exe"
        stage = "execute"
        scope = "any"
    strings:
        $flag_first = /\b(powershell|pwsh)\b[^\r\n]{0,150}[\s>"'](-|\/)(ex?[a-z]{0,14}\s{1,4}bypass|w[a-z]{0,10}\s{1,4}hidden|noni[a-z]{0,10}|nop[a-z]{0,6})[\s"'][^\r\n]{0,150}(-|\/)e(c|nc?o?d?e?d?c?o?m?m?a?n?d?)?\s{1,4}["']?[a-z0-9+\/]{40}/ ascii wide nocase
        $flag_last = /\b(powershell|pwsh)\b[^\r\n]{0,150}[\s>"'](-|\/)e(c|nc?o?d?e?d?c?o?m?m?a?n?d?)?\s{1,4}["']?[a-z0-9+\/]{40,2500}={0,2}["']?\s[^\r\n]{0,80}(-|\/)(ex?[a-z]{0,14}\s{1,4}bypass|w[a-z]{0,10}\s{1,4}hidden|noni[a-z]{0,10}|nop[a-z]{0,6})\b/ ascii wide nocase
    condition:
        any of them
}

rule powershell_script_from_administrative_share : powershell lateral
{
    meta:
        sid = 9411025
        rev = 1
        description = "PowerShell command line that runs a script from an administrative share, as FIN7 moves laterally"
        severity = 1
        mitre = "T1021.002, T1059.001"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "move"
        scope = "any"
    strings:
        // A folder of its own on a drive share is where administrators keep scripts; these are where intruders drop them.
        $run = /\sbypass\s{1,4}(-|\/)f(i|il|ile)?\s{1,4}["']?\\\\[^\\\s"'<>]{1,64}\\(admin\$|[a-z]\$\\(windows|temp|users|programdata|perflogs))\\[a-z0-9_.\\-]{1,100}\.ps1/ ascii wide nocase
    condition:
        $run
}

rule veeam_credential_decryption : powershell veeam
{
    meta:
        sid = 9411026
        rev = 1
        description = "Script that decrypts credentials stored by Veeam"
        severity = 1
        mitre = "T1555"
        reference = "https://labs.withsecure.com/publications/fin7-target-veeam-servers"
        stage = "collect"
        scope = "any"
    strings:
        $class = "Veeam.Backup.Common.ProtectedStorage" ascii wide nocase
        $method = /::\s?GetLocalString\s?\(/ ascii wide nocase
    condition:
        all of them
}

rule powershell_amsi_disabled : powershell evasion
{
    meta:
        sid = 9411027
        rev = 1
        description = "PowerShell switches off the malware scan interface by reflection"
        severity = 2
        mitre = "T1562.001"
        reference = "https://attack.mitre.org/techniques/T1562/001/"
        stage = "execute"
        scope = "any"
    strings:
        $class = "AmsiUtils" ascii wide nocase
        $field = /\bamsi(InitFailed|Context|Session)\b/ ascii wide nocase
        $set = "SetValue" ascii wide nocase
    condition:
        all of them
}
