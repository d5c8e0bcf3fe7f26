# Calls into user32 for the window list, and unpacks the icons it ships. Has some of the words a loader has.
Add-Type -Namespace Native -Name User32 -MemberDefinition '[DllImport("user32.dll")] public static extern bool IsWindowVisible(IntPtr h);'
function Get-Icon([string] $Name) {
    $bytes = [Convert]::FromBase64String($script:Icons[$Name])
    $deflate = New-Object IO.Compression.DeflateStream([IO.MemoryStream]::new($bytes), [IO.Compression.CompressionMode]::Decompress)
    $target = New-Object IO.MemoryStream
    $deflate.CopyTo($target)
    [IO.File]::WriteAllBytes("$env:LOCALAPPDATA\Contoso\$Name.ico", $target.ToArray())
}
function Get-LoadedAssembly {
    [AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { -not $_.GlobalAssemblyCache } | Select-Object FullName, Location
}
function Set-Session($Object, $Value) { $Object.GetType().GetField('session', 'NonPublic,Instance').SetValue($Object, $Value) }
Export-ModuleMember -Function Get-Icon, Get-LoadedAssembly, Set-Session
