// Kinds of files. Meaningful at the beginning of a decoded content only.

rule portable_executable : file
{
    meta:
        sid = 9411030
        rev = 1
        description = "Windows executable (PE)"
        severity = 3
        mitre = "T1105"
        reference = "https://learn.microsoft.com/windows/win32/debug/pe-format"
        stage = "ingress"
        scope = "content"
    strings:
        $signature = { 50 45 00 00 }
    condition:
        uint16(0) == 0x5A4D and $signature at uint32(0x3C)
}
