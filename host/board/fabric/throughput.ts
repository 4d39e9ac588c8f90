import type { Port } from "./port-timing";

/** Clock cycles of runs of one length. */
interface Measurement {
  readonly lengthBytes: number;
  readonly read: readonly number[];
  readonly write: readonly number[];
}

/**
 * Clock cycles at 250 MHz of whole transfers, as measured on an Ultra96-V2: five runs for each port and length.
 * Source: j-marjanovic/meta-zynqmp-pl-ps-interfaces, AXI Traffic Generator throughput notebook.
 */
// prettier-ignore
const MEASURED: Readonly<Record<Port, readonly Measurement[]>> = {
  hp: [
    { lengthBytes: 64, read: [64, 64, 64, 67, 64], write: [37, 36, 36, 36, 37] },
    { lengthBytes: 128, read: [68, 70, 68, 68, 68], write: [40, 39, 39, 40, 40] },
    { lengthBytes: 256, read: [76, 76, 122, 76, 76], write: [47, 48, 47, 47, 47] },
    { lengthBytes: 512, read: [161, 172, 135, 204, 213], write: [79, 79, 79, 77, 79] },
    { lengthBytes: 1024, read: [322, 430, 339, 310, 386], write: [139, 140, 141, 143, 139] },
    { lengthBytes: 2048, read: [643, 655, 623, 665, 698], write: [264, 266, 265, 265, 267] },
    { lengthBytes: 4096, read: [1376, 1355, 1283, 1290, 1375], write: [514, 516, 516, 514, 515] },
    { lengthBytes: 8192, read: [2697, 2590, 2712, 2628, 2641], write: [1016, 1015, 1015, 1016, 1015] },
    { lengthBytes: 16384, read: [5331, 5285, 5142, 5325, 5341], write: [2017, 2014, 2017, 2014, 2014] },
    { lengthBytes: 32768, read: [10277, 10297, 10274, 10318, 10367], write: [4017, 4014, 4014, 4017, 4017] },
    { lengthBytes: 65536, read: [20456, 20546, 20586, 20578, 20512], write: [8016, 8015, 8170, 8016, 8175] },
    { lengthBytes: 131072, read: [41074, 41156, 40959, 41291, 41120], write: [16405, 16146, 16315, 16165, 16333] },
    { lengthBytes: 262144, read: [81977, 86391, 81972, 81947, 82004], write: [32324, 32349, 32320, 32014, 32015] },
    { lengthBytes: 524288, read: [164049, 163971, 163979, 164327, 164103], write: [64014, 64017, 64603, 64208, 64017] },
    { lengthBytes: 1048576, read: [328089, 327903, 328038, 337367, 328016], write: [128258, 128017, 128360, 128536, 128015] },
    { lengthBytes: 2097152, read: [656338, 656164, 655970, 655821, 655892], write: [257286, 256092, 256015, 256325, 256176] },
    { lengthBytes: 4194304, read: [1311899, 1312291, 1312808, 1312017, 1311809], write: [512015, 512016, 512015, 512016, 512251] },
    { lengthBytes: 8388608, read: [2692853, 2624761, 2623281, 2624084, 2623951], write: [1024018, 1024500, 1024289, 1024249, 1024142] },
    { lengthBytes: 16777216, read: [5247763, 5248062, 5248125, 5247453, 5247889], write: [2048442, 2048015, 2050856, 2048019, 2048341] },
    { lengthBytes: 33554432, read: [10495312, 10494680, 10494354, 10494901, 10495124], write: [4096017, 4096017, 4096926, 4096015, 4096014] },
  ],
  hpc: [
    { lengthBytes: 64, read: [41, 41, 41, 41, 41], write: [66, 66, 66, 65, 65] },
    { lengthBytes: 128, read: [46, 46, 48, 45, 45], write: [88, 87, 87, 87, 87] },
    { lengthBytes: 256, read: [55, 60, 57, 60, 55], write: [1068, 1072, 128, 964, 127] },
    { lengthBytes: 512, read: [97, 100, 97, 101, 96], write: [224, 216, 240, 224, 220] },
    { lengthBytes: 1024, read: [180, 181, 181, 184, 182], write: [412, 409, 409, 448, 409] },
    { lengthBytes: 2048, read: [549, 594, 579, 492, 548], write: [819, 769, 780, 781, 782] },
    { lengthBytes: 4096, read: [2467, 2429, 2577, 2364, 2417], write: [1505, 1530, 1551, 1507, 1523] },
    { lengthBytes: 8192, read: [4722, 4934, 4590, 4890, 4983], write: [3046, 3031, 3004, 3049, 2993] },
    { lengthBytes: 16384, read: [9474, 10465, 10101, 9749, 10294], write: [5998, 5971, 6031, 6041, 5972] },
    { lengthBytes: 32768, read: [20405, 21080, 21062, 21146, 20285], write: [11840, 11991, 12055, 12121, 12020] },
    { lengthBytes: 65536, read: [42161, 41580, 41706, 41469, 41574], write: [24074, 23897, 23899, 24298, 24253] },
    { lengthBytes: 131072, read: [83642, 90562, 83569, 83585, 83490], write: [48562, 48650, 48319, 48415, 48808] },
    { lengthBytes: 262144, read: [166699, 167480, 166920, 164118, 167567], write: [96809, 97667, 97018, 96957, 97126] },
    { lengthBytes: 524288, read: [342438, 334368, 333272, 339836, 332042], write: [191669, 191245, 190487, 191243, 191060] },
    { lengthBytes: 1048576, read: [532874, 750693, 765497, 753063, 760413], write: [239120, 322394, 330282, 314607, 338254] },
    { lengthBytes: 2097152, read: [1142621, 1137589, 1140289, 1141696, 907181], write: [361931, 358009, 359855, 362788, 359175] },
    { lengthBytes: 4194304, read: [1900743, 1908799, 1909696, 1901505, 1879343], write: [684313, 683817, 683896, 684348, 683856] },
    { lengthBytes: 8388608, read: [3433534, 3422703, 3436772, 3441536, 3449316], write: [1368461, 1360482, 1368064, 1368446, 1368877] },
    { lengthBytes: 16777216, read: [6466893, 6448252, 6484559, 6480714, 6495209], write: [2737672, 2732443, 2737512, 2725350, 2735691] },
    { lengthBytes: 33554432, read: [12580275, 12535508, 12534969, 12547621, 12517258], write: [5476262, 5471795, 5475893, 5475975, 5476438] },
  ],
  acp: [
    { lengthBytes: 64, read: [24, 24, 13, 13, 25], write: [22, 18, 15, 22, 25] },
    { lengthBytes: 128, read: [17, 21, 25, 24, 17], write: [38, 38, 25, 29, 37] },
    { lengthBytes: 256, read: [37, 37, 26, 32, 28], write: [52, 56, 55, 62, 58] },
    { lengthBytes: 512, read: [52, 48, 42, 45, 49], write: [91, 98, 88, 84, 91] },
    { lengthBytes: 1024, read: [73, 73, 75, 73, 80], write: [150, 143, 138, 144, 146] },
    { lengthBytes: 2048, read: [141, 141, 140, 139, 143], write: [238, 258, 250, 256, 257] },
    { lengthBytes: 4096, read: [276, 276, 276, 276, 272], write: [466, 468, 482, 493, 465] },
    { lengthBytes: 8192, read: [522, 521, 532, 533, 521], write: [909, 929, 886, 932, 920] },
    { lengthBytes: 16384, read: [1033, 1040, 1043, 1033, 1045], write: [1691, 1895, 1895, 1809, 1733] },
    { lengthBytes: 32768, read: [2064, 2069, 2064, 2064, 2065], write: [3116, 3436, 3365, 3410, 3171] },
    { lengthBytes: 65536, read: [4109, 4112, 4108, 4105, 4105], write: [5994, 6173, 6052, 6137, 5986] },
    { lengthBytes: 131072, read: [8205, 8202, 9166, 8209, 8201], write: [11914, 11873, 11768, 11697, 11531] },
    { lengthBytes: 262144, read: [16395, 16405, 16407, 16403, 16401], write: [23486, 22653, 23060, 22835, 22842] },
    { lengthBytes: 524288, read: [32786, 32788, 32778, 32781, 32778], write: [45171, 45488, 45753, 45231, 45579] },
    { lengthBytes: 1048576, read: [265340, 213995, 226597, 223970, 166542], write: [159147, 128998, 135439, 135121, 137849] },
    { lengthBytes: 2097152, read: [2616821, 2500721, 2478812, 2496650, 2601841], write: [676295, 669264, 664045, 665741, 695971] },
    { lengthBytes: 4194304, read: [5235473, 5234144, 5239853, 5230952, 5230316], write: [1398501, 1399149, 1381648, 1401577, 1401733] },
    { lengthBytes: 8388608, read: [10476117, 10469742, 10500224, 10475687, 10493873], write: [2780299, 2811417, 2810681, 2810360, 2810973] },
    { lengthBytes: 16777216, read: [20984591, 20973534, 20965250, 20971391, 20965520], write: [5636958, 5636524, 5637165, 5636823, 5636478] },
    { lengthBytes: 33554432, read: [41946146, 41957455, 41961290, 41950849, 41970287], write: [11288858, 11288566, 11289521, 11288184, 11288313] },
  ],
};

/** Draws the length of whole transfers on one port, in clock cycles, from what was measured. */
export class ThroughputTimer {
  readonly #measured: readonly Measurement[];
  readonly #random: () => number;

  /**
   * @param port the port
   * @param random gives numbers from 0 up to, not including, 1
   */
  constructor(port: Port, random: () => number) {
    this.#measured = MEASURED[port];
    this.#random = random;
  }

  /** Clock cycles of a transfer: those of one of the runs, in proportion between the lengths that were measured. */
  next(direction: "read" | "write", lengthBytes: number): number {
    const draw = this.#random();
    const cyclesOf = (measurement: Measurement) => {
      const runs = measurement[direction];
      return runs[Math.floor(draw * runs.length)] ?? 0;
    };
    const at = this.#measured.findIndex((measurement) => measurement.lengthBytes >= lengthBytes);
    const shorter = at > 0 ? this.#measured[at - 1] : undefined;
    // Of a length beyond all of them, the longest.
    const longer = this.#measured.at(at);
    if (!longer) throw new RangeError("no length was measured");
    if (!shorter) return Math.round((cyclesOf(longer) * lengthBytes) / longer.lengthBytes);
    const part = (lengthBytes - shorter.lengthBytes) / (longer.lengthBytes - shorter.lengthBytes);
    return Math.round(cyclesOf(shorter) + part * (cyclesOf(longer) - cyclesOf(shorter)));
  }
}
