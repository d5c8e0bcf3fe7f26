// Makes the vectors of protocols/fixtures/nrbf/mono.txt and the conversations protocols/fixtures/remoting_mono_*.txt with Mono's
// BinaryFormatter and channels (Debian: mono-mcs mono-runtime libmono-system-runtime4.0-cil). Harmless objects only.
//
//   mcs -out:lab.exe -r:System.Runtime.Remoting.dll scripts/remoting-vectors.cs
//   mono lab.exe streams                      a line a stream: name, hex
//   mono lab.exe server PORT tcp|http|soap    and, through a relay that writes turns (scripts/relay.py):
//   mono lab.exe client PORT tcp|http|soap
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Runtime.Remoting;
using System.Runtime.Remoting.Channels;
using System.Runtime.Remoting.Channels.Tcp;
using System.Runtime.Remoting.Channels.Http;
using System.Runtime.Remoting.Messaging;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Formatters.Binary;
namespace Lab {
  [Serializable] public class Person { public int Age = 42; public string Name = "Ann"; public Person Friend; public byte[] Raw; public DateTime Born = new DateTime(2000, 1, 2); public decimal Sum = 1.5m; public int[,] Grid = new int[2,2]; public object[] Mixed; }
  public class Sink : MarshalByRefObject { public void Told(string text) { } }
  public class Server : MarshalByRefObject {
    public string Version() { return "1.0"; }
    public int Add(int a, int b) { return a + b; }
    public Person Older(Person person) { person.Age++; return person; }
    public void Subscribe(Sink sink) { }
    public void Fail() { throw new InvalidOperationException("no such job"); }
    [OneWay] public void Note(string text) { }
    public string[] List(string[] names, object[] more) { return names; }
  }
  public static class Make {
    static IChannel Open(string kind, int port) {
      // The address that callbacks are told: that of the lab's console, not of the machine that this runs on.
      var settings = new Hashtable { { "port", port }, { "machineName", "10.20.30.5" }, { "name", kind } };
      var provider = new BinaryServerFormatterSinkProvider { TypeFilterLevel = System.Runtime.Serialization.Formatters.TypeFilterLevel.Full };
      if (kind == "tcp") return new TcpChannel(settings, new BinaryClientFormatterSinkProvider(), provider);
      if (kind == "http") return new HttpChannel(settings, new BinaryClientFormatterSinkProvider(), provider);
      return new HttpChannel(settings, new SoapClientFormatterSinkProvider(), new SoapServerFormatterSinkProvider { TypeFilterLevel = System.Runtime.Serialization.Formatters.TypeFilterLevel.Full });
    }
    static void Show(string name, object graph) {
      var stream = new MemoryStream(); new BinaryFormatter().Serialize(stream, graph);
      Console.WriteLine(name + " " + BitConverter.ToString(stream.ToArray()).Replace("-", "").ToLowerInvariant());
    }
    public static void Main(string[] args) {
      if (args[0] == "streams") {
        Show("person", new Person { Friend = new Person(), Raw = new byte[] { 1, 2, 3 }, Mixed = new object[] { 1, "x", null, null, 2.5, 'c', true } });
        Show("text", "alpha"); Show("number", 7); Show("guid", new Guid("00112233-4455-6677-8899-aabbccddeeff"));
        Show("list", new List<string> { "a", "b" }); Show("dictionary", new Dictionary<string, Person> { { "k", new Person() } });
        Show("table", new Hashtable { { "k", 1 } }); Show("strings", new string[] { "a", null, "a" }); Show("jagged", new int[][] { new int[] { 1 }, null });
        var self = new Person(); self.Friend = self; Show("loop", self); Show("type", typeof(Person));
        ChannelServices.RegisterChannel(Open("tcp", 0), false);
        Show("objref", RemotingServices.Marshal(new Sink(), "sink"));
        return;
      }
      if (args[0] == "server") {
        ChannelServices.RegisterChannel(Open(args[2], int.Parse(args[1])), false);
        RemotingConfiguration.RegisterWellKnownServiceType(typeof(Server), "LabService", WellKnownObjectMode.Singleton);
        Console.WriteLine("ready"); System.Threading.Thread.Sleep(20000); return;
      }
      ChannelServices.RegisterChannel(Open(args[2], 0), false);
      var server = (Server)Activator.GetObject(typeof(Server), (args[2] == "tcp" ? "tcp" : "http") + "://127.0.0.1:" + args[1] + "/LabService");
      Console.WriteLine(server.Version()); Console.WriteLine(server.Add(1, 2)); Console.WriteLine(server.Older(new Person()).Age);
      server.Note("hello"); server.Subscribe(new Sink());
      try { server.Fail(); } catch (Exception error) { Console.WriteLine(error.GetType().Name); }
      Console.WriteLine(server.List(new string[] { "a", "b" }, new object[] { 1, "two" }).Length);
    }
  }
}
