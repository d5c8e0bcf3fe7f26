# Session to Exchange, mailbox report, clean-up of old queues.
$session = New-PSSession -ConfigurationName Microsoft.Exchange -ConnectionUri http://ex01.contoso.invalid/PowerShell/ -Authentication Kerberos
Import-PSSession $session -DisableNameChecking -AllowClobber | Out-Null
Get-Mailbox -ResultSize Unlimited | Get-MailboxStatistics | Sort-Object TotalItemSize -Descending |
    Select-Object DisplayName, TotalItemSize, ItemCount -First 50 | Export-Csv C:\Reports\mailboxes.csv -NoTypeInformation -Encoding UTF8
Get-Queue | Where-Object { $_.MessageCount -gt 100 } | Retry-Queue -Resubmit $true
Set-Mailbox -Identity 'Helpdesk' -GrantSendOnBehalfTo 'Team Backup' -HiddenFromAddressListsEnabled $false
New-MailboxExportRequest -Mailbox archive -FilePath '\\files01\pst$\archive.pst'
Remove-PSSession $session
