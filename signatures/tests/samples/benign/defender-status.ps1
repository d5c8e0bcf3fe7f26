# What the malware scanner says. Names the scan interface's provider, changes nothing.
Get-MpComputerStatus | Select-Object AMServiceEnabled, RealTimeProtectionEnabled, AntivirusSignatureLastUpdated
Get-MpPreference | Select-Object DisableRealtimeMonitoring, DisableScriptScanning, ExclusionPath
Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\AMSI\Providers\*' | Select-Object PSChildName
Get-WinEvent -FilterHashtable @{ LogName = 'Microsoft-Windows-PowerShell/Operational'; Id = 4104 } -MaxEvents 200 |
    Where-Object { $_.Message -match 'AmsiUtils|amsiInitFailed|EncodedCommand|DownloadString' } |
    Select-Object TimeCreated, UserId | Export-Csv C:\Reports\suspicious.csv -NoTypeInformation
