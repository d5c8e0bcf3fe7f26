$ErrorActionPreference = 'Stop'
# Downloads to a file, compares the hash, then starts the installer. Nothing that was downloaded runs as a script.
$packageName = 'contoso-agent'
$toolsDir    = "$(Split-Path -Parent $MyInvocation.MyCommand.Definition)"
$packageArgs = @{
    packageName    = $packageName
    fileType       = 'msi'
    url64bit       = 'https://downloads.contoso.invalid/agent/4.2.0/agent-x64.msi'
    checksum64     = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
    checksumType64 = 'sha256'
    silentArgs     = '/qn /norestart'
    validExitCodes = @(0, 3010)
}
$client = New-Object System.Net.WebClient
$client.Proxy.Credentials = [System.Net.CredentialCache]::DefaultNetworkCredentials
$latest = $client.DownloadString('https://downloads.contoso.invalid/agent/latest.txt').Trim()
$client.DownloadFile("https://downloads.contoso.invalid/agent/$latest/agent-x64.msi", "$toolsDir\agent-x64.msi")
Invoke-WebRequest -Uri 'https://downloads.contoso.invalid/agent/notes.txt' -OutFile "$toolsDir\notes.txt" -UseBasicParsing
Install-ChocolateyPackage @packageArgs
