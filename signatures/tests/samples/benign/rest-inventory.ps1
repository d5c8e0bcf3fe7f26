# Reads the inventory service. Results are data, never code: Invoke-Expression with $client.DownloadString() is not allowed here.
$base = 'https://inventory.contoso.invalid/api/v2'
$token = (Invoke-RestMethod "$base/token" -Method Post -Credential $credential).token
$hosts = Invoke-RestMethod "$base/hosts?page=1" -Headers @{ Authorization = "Bearer $token" } | Select-Object -ExpandProperty items
iwr "$base/export.csv" -OutFile C:\Reports\hosts.csv -UseBasicParsing; Import-Csv C:\Reports\hosts.csv | Group-Object Site
$client = [System.Net.WebClient]::new()
$json = $client.DownloadString("$base/sites") | ConvertFrom-Json
$text = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($json.note))
curl.exe -sS -o C:\Reports\map.svg https://inventory.contoso.invalid/map.svg
foreach ($site in $json.sites) { Invoke-Expression "& '$PSScriptRoot\reports\$($site.kind).ps1' -Site $($site.id)" }
